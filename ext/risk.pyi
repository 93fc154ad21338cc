from typing import final

from ext.risk_limits import RiskLimits

@final
class RiskGate(RiskLimits):
    is_paused: bool
    is_replace_refused: bool
