# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gates: questions that must be answered yes to go on. Pure: readings and times in, verdicts and texts out.

A gate is a source, a question and a policy. The sources are read elsewhere; what they found comes in as readings.

Imports point down this list: ``report`` -> ``progress`` -> ``tally`` -> ``definition`` -> ``questions``,
``options`` -> ``judge``, ``series`` -> ``reading``, ``wording``. Private to this collection.

All times of one bake are seconds by one clock, whichever it is: those handed in as ``now`` and those of readings and points.
"""
