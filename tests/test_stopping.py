# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
import os
import signal
import threading
import time

import pytest

from videomae.stopping import SAME_WISH, stopping_on_ctrl_c


def test_the_first_ctrl_c_is_noted_and_a_later_one_interrupts():
    before = signal.getsignal(signal.SIGINT)
    with stopping_on_ctrl_c() as stop:
        assert not stop.is_set()
        for _ in range(2):  # as `timeout -s INT` does
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.wait(1)
        time.sleep(SAME_WISH + 0.1)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait(1)
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_leave_signals_alone():
    seen = []

    def work():
        with stopping_on_ctrl_c() as stop:
            seen.append(stop.is_set())

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False] and signal.getsignal(signal.SIGINT) is before
