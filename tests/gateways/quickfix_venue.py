"""A QuickFIX acceptor in a process of its own: a crash in its C++ must not end the test run.

Arguments: settings file, BeginString. Commands on stdin: ``report <ExecID>``. Tells on stdout, a
line each: ``logon``, ``logout``, ``reported``, ``order <ClOrdID> <PossDupFlag> <OrigSendingTime>``,
``reject <message>``. Ends when stdin is closed.
"""

import os
import sys
from typing import Any

import quickfix as fix


def tell(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


def value_of(fields: Any, tag: int) -> str:
    return str(fields.getField(tag)) if fields.isSetField(tag) else "-"


class Venue(fix.Application):  # type: ignore[misc]
    """Tells what comes and does nothing of its own accord."""

    def onCreate(self, session: Any) -> None:
        pass

    def onLogon(self, session: Any) -> None:
        tell("logon")

    def onLogout(self, session: Any) -> None:
        tell("logout")

    def toAdmin(self, message: Any, session: Any) -> None:
        text = message.toString()
        if "\x0135=3\x01" in text:
            tell("reject", text.replace("\x01", "|"))

    def fromAdmin(self, message: Any, session: Any) -> None:
        pass

    def toApp(self, message: Any, session: Any) -> None:
        if message.getHeader().getField(35) == "j":
            tell("reject", message.toString().replace("\x01", "|"))

    def fromApp(self, message: Any, session: Any) -> None:
        header = message.getHeader()
        tell("order", value_of(message, 11), value_of(header, 43), value_of(header, 122))


def report(execution_id: str, begin_string: str) -> None:
    message = fix.Message()
    message.getHeader().setField(fix.MsgType("8"))
    fields = {37: "V1", 17: execution_id, 150: "0", 39: "0", 55: "BTC-USD", 54: "1"}
    fields |= {38: "1", 151: "1", 14: "0", 6: "0"}
    if begin_string == "FIX.4.2":
        fields[20] = "0"
    for tag, value in fields.items():
        message.setField(fix.StringField(tag, value))
    fix.Session.sendToTarget(message, fix.SessionID(begin_string, "VENUE", "US"))


def main() -> None:
    settings, store, venue = fix.SessionSettings(sys.argv[1]), fix.MemoryStoreFactory(), Venue()
    acceptor = fix.SocketAcceptor(venue, store, settings)
    acceptor.start()
    for line in sys.stdin:
        report(line.split()[1], sys.argv[2])
        tell("reported")
    os._exit(0)  # stopping the acceptor crashes now and then


if __name__ == "__main__":
    main()
