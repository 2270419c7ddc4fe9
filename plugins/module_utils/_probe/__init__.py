# Copyright: (c) 2026, the turnout.bluegreen authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small HTTP client that sends requests at a bounded pace and judges what comes back.

Imports point down this list: ``module`` (the way from options to an Ansible answer) -> ``probe``, ``warm_up``,
``load_test`` (the engines) -> ``open_loop``, ``preview`` -> ``tally``, ``client`` (the only I/O on the network) -> ``requests``,
``access_log`` -> ``wire``, ``split``, ``binomial``, ``flatness``,
``limits``, ``errors``. Certificates, targets and percentiles are those
of ``_health``. Private to this collection.
"""
