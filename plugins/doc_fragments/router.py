# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options and return values that every kind of router has in common."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  service:
    description:
      - Name of the service whose traffic is meant, for example V(shop).
    type: str
    required: true
"""

    NAMED = r"""
options:
  router:
    description:
      - What the router is called in results and messages.
      - The default is the name that the host has for itself. M(turnout.bluegreen.traffic) gives the inventory name.
    type: str
"""

    INFO = r"""
options:
  statistics_since:
    description:
      - Also say what each colour has answered since an earlier look, whose C(statistics.cursor) is given here.
      - An empty text begins to count.
    type: str
  servers:
    description:
      - Also say what each server of each colour does. Refused by a kind of router that can not take single servers out.
    type: bool
    default: false
"""

    TRAFFIC = r"""
options:
  state:
    description:
      - What the router and its journal shall be.
      - V(present) makes a journal from the split in force when there is none.
      - V(claimed) takes the next epoch and the lease for O(release). Nothing is done when that release is live already.
      - V(renewed) extends the lease and records O(phase).
      - V(healthy) waits until the router sees O(colour) healthy.
      - V(staged) does all that can fail of a switch, and moves no traffic. With O(at), it keeps what it has prepared and leaves a
        process on the router that flips at that instant.
      - V(committed) waits until that process has flipped, and fails when it has not.
      - V(switched) brings O(split) in force, durably, and confirms it. With O(at), it confirms what was flipped then; a flip
        that is not confirmed within O(confirm_within) is taken back by the router itself.
      - V(held) records that the release waits at the split in force until a person says go, for O(timeout) seconds. It does not
        wait itself. Until V(promoted), V(switched) and V(settled) are refused.
      - V(promoted) answers a release that waits with O(answer). It claims nothing, and is refused when nothing waits.
      - V(drained) waits until nothing is in flight on O(colour).
      - V(settled) makes the candidate stable. The old colour stays the rollback target for O(window_seconds).
      - V(rolled_back) sends all traffic to the stable colour, after V(settled) to the rollback target. It claims a newer epoch by
        itself, so that it always wins against a run that is still under way.
      - V(abandoned) ends a release before any of its traffic has moved and gives the lease back.
      - V(retired) closes the way back to the old colour. It is refused until the rollback window is over.
      - V(drilled) records how long the rollback of a drill took, in O(rollback_ms), and how many requests it has O(lost).
      - V(taken_out) lets O(servers) of O(colour) have no new requests, and waits until nothing is in flight there. Refused when
        the others are not in service. The split stays as it is. A reload of the router forgets it.
      - V(brought_back) waits until the router sees O(servers) of O(colour) healthy, and then lets them have requests again.
    type: str
    choices:
      - present
      - claimed
      - renewed
      - healthy
      - staged
      - committed
      - switched
      - held
      - promoted
      - drained
      - settled
      - rolled_back
      - abandoned
      - retired
      - drilled
      - taken_out
      - brought_back
    default: switched
  split:
    description:
      - "Weights in percent by colour, for example V({green: 25}). A colour that is left out gets the rest."
      - "V({blue: 100, cohort: green}) sends the clients of the service's cohort to a colour, whatever the weights. The routers
        must know who they are: C(cohort) of the service in the roles haproxy and nginx. Without it they are clients as any
        other."
      - Required for O(state=switched), O(state=staged) and O(state=committed).
    type: dict
  sticky:
    description:
      - What a client is recognised by, so that it stays on its colour while traffic is divided.
      - Left as it is when not given.
    type: str
    choices: [none, cookie, source]
  colour:
    description:
      - The colour that is waited for with O(state=healthy) and O(state=drained), the candidate with O(state=claimed), the
        target with O(state=rolled_back), that of O(servers) with O(state=taken_out) and O(state=brought_back).
      - For O(state=claimed) the default is the colour that is not stable, for O(state=rolled_back) the way back that the journal
        names.
    type: str
    choices: [blue, green]
  release:
    description:
      - Id of the release. Required for O(state=claimed). With O(state=present), what is deployed on the stable colour. With
        O(state=promoted), refuse when another release waits.
    type: str
  phase:
    description:
      - Name of the phase that the journal records, for people who ask for the status.
    type: str
  epoch:
    description:
      - The fencing token that O(state=claimed) returned. A task with an older one is refused.
      - O(state=rolled_back) needs none. With one, it is refused when a newer run has claimed the service.
      - Without it, O(state=switched) claims the next epoch by itself, and is refused while another run holds the lease.
      - With O(state=claimed), the epoch to claim, when all routers of a fleet shall have the same one. It must be newer than the
        router's.
    type: int
  run:
    description:
      - Id of this run, kept in the lease.
    type: str
  owner:
    description:
      - Who runs this, kept in the journal, for example V(alice@control1).
    type: str
  take_over:
    description:
      - Ids of runs that are known to be dead. Their lease is no hindrance.
    type: list
    elements: str
    default: []
  lease_seconds:
    description:
      - How long the lease is valid without a sign of life, in seconds. With O(state=claimed) 120 when it is left out; with the
        states that prolong the lease, as long as it was claimed for.
    type: int
  window_seconds:
    description:
      - Length of the rollback window with O(state=settled), in seconds.
    type: int
    default: 3600
  end_window:
    description:
      - With O(state=claimed), give up the way back that an open rollback window keeps.
    type: bool
    default: false
  min_healthy:
    description:
      - Percent of a colour's servers that the router must see healthy before the colour gains weight. With O(state=taken_out),
        percent of the other servers that must be in service.
      - The default is V(100), and V(0) with O(state=rolled_back). One healthy server is needed in any case.
    type: int
  timeout:
    description:
      - Seconds to wait with O(state=healthy), O(state=drained), O(state=taken_out), O(state=brought_back) and, after O(at),
        O(state=committed), and for each request to O(confirm_url).
      - With O(state=held), how long the run means to wait for an answer. It is recorded only.
    type: float
    default: 60.0
  interval:
    description:
      - Seconds between two looks while waiting.
    type: float
    default: 0.1
  on_timeout:
    description:
      - What the end of a wait means. With V(report) the task succeeds with C(done=false).
    type: str
    choices: [fail, report]
    default: fail
  shutdown_sessions:
    description:
      - End what is still in flight when the time of O(state=drained) or O(state=taken_out) is over. Clients lose those requests.
    type: bool
    default: false
  confirm_url:
    description:
      - An C(http://) URL of the service as reached from the router. After a switch, every answer to a few requests must come
        from a colour that has traffic.
    type: str
  at:
    description:
      - The instant of a flip, in seconds since the Unix epoch by the router's clock. With O(state=staged), O(state=committed) and
        O(state=switched).
      - The C(clock_offset) that every task returns is the router's clock minus that of the control node, in seconds.
    type: float
  confirm_within:
    description:
      - Seconds after O(at) within which O(state=switched) must come, or the router takes the flip back.
    type: float
    default: 15.0
  drift:
    description:
      - What O(state=claimed) does when the router does something else than its journal says, or when its journal is older than
        O(reference).
      - V(fail) refuses. V(adopt) takes what is in force as the truth. V(overwrite) brings back what the newest journal says.
      - A rollback is never hindered by drift.
    type: str
    choices: [fail, adopt, overwrite]
    default: fail
  reference:
    description:
      - The newest journal of the fleet, as the C(_info) modules return it, with O(state=claimed).
    type: dict
  hold_on_timeout:
    description:
      - What the run means to do when nobody answers, with O(state=held). It is recorded only.
    type: str
    choices: [rollback, go]
    default: rollback
  answer:
    description:
      - What O(state=promoted) says to the release that waits. With V(stop) it goes back.
    type: str
    choices: [go, stop]
    default: go
  step:
    description:
      - Percent of the candidate that is approved, with O(state=promoted). Refused when the release waits at another one.
    type: int
  drill:
    description:
      - With O(state=claimed), claim for a drill. O(release) must be what is on the idle colour, which must be the way back, and
        healthy. O(state=rolled_back) then leaves the journal as it was before.
    type: bool
    default: false
  rollback_ms:
    description:
      - Milliseconds from the start of a rollback until no client got the other colour any more, with O(state=drilled).
    type: float
  lost:
    description:
      - Requests that were lost, with O(state=drilled).
    type: int
  rolling:
    description:
      - With O(state=claimed), claim for a release that goes through the hosts of the stable colour one by one. O(state=settled)
        ends it, O(state=abandoned) stops it.
    type: bool
    default: false
  servers:
    description:
      - Names of servers as the router knows them, with O(state=taken_out) and O(state=brought_back).
    type: list
    elements: str
  force:
    description:
      - Override the health and lease guards. The journal records what was overridden.
    type: bool
    default: false
"""
