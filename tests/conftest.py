"""Makes the checkout importable as ansible_collections.turnout.bluegreen."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "playbooks" / "collections"))
