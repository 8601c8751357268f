"""The system's clock."""

import time

from otp_app.system import clock


def test_it_reads_wall_and_boot_time():
    """Both are those of this machine, at this moment."""
    before = time.time(), time.clock_gettime(time.CLOCK_BOOTTIME)
    now = clock.system_clock()()
    after = time.time(), time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before[0] - 0.001 <= now.wall <= after[0] + 0.001
    assert before[1] - 0.001 <= now.uptime <= after[1] + 0.001


def test_it_names_the_boot():
    """Stamps of one boot share the name; it is short, since every record has it."""
    read = clock.system_clock()
    assert read().boot == read().boot == clock.BOOT_ID.read_text()[:8]


def test_where_the_boot_has_no_name_the_wall_clock_alone_counts_for_ages(monkeypatch, tmp_path):
    """As in a container that hides /proc: nobody takes an age from its uptime, but long polls end by it."""
    monkeypatch.setattr(clock, "BOOT_ID", tmp_path / "missing")
    before, now, after = time.monotonic(), clock.system_clock()(), time.monotonic()
    assert now.boot == ""
    assert before <= now.uptime <= after
    assert abs(now.wall - time.time()) < 1


def test_the_file_is_read_once(monkeypatch, tmp_path):
    """Not for each reading of the clock."""
    (tmp_path / "boot_id").write_text("0a1b2c3d-4e5f", encoding="ascii")
    monkeypatch.setattr(clock, "BOOT_ID", tmp_path / "boot_id")
    read = clock.system_clock()
    (tmp_path / "boot_id").unlink()
    assert read().boot == "0a1b2c3d"
