"""Many calls for one verification at the same moment: the limits hold as if they had come one by one."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from tests.apis.verify_v2.clients.dropin_check import other, refused

AT_ONCE = 8


def together(call):
    """The answers to as many calls as there are, begun at once."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [answer.result() for answer in [pool.submit(call) for _ in range(AT_ONCE)]]


def test_messages(served):
    """One verification, five messages; the others are refused, as too many or as too many at once."""
    number = served.number()
    create = served.service().verifications.create
    answers = Counter(together(lambda: refused(lambda: create(to=number, channel="sms"))))
    assert answers.keys() <= {"accepted: pending", (429, 60203), (429, 60212)}
    assert 1 <= answers["accepted: pending"] <= 5
    assert sum(post.number == number for post in served.provider.posts) == answers["accepted: pending"]
    code = served.provider.code(number)
    assert served.service().verification_checks.create(to=number, code=code).status == "approved"


def test_attempts(served):
    """Five are looked at."""
    started, code = served.started()
    check = served.service().verification_checks.create
    answers = Counter(together(lambda: refused(lambda: check(to=started.to, code=other(code)))))
    assert answers == {"accepted: pending": 5, (429, 60202): AT_ONCE - 5}


def test_right_codes(served):
    """One of them approves; to the others it is over."""
    started, code = served.started()
    check = served.service().verification_checks.create
    answers = Counter(together(lambda: refused(lambda: check(verification_sid=started.sid, code=code))))
    assert answers == {"accepted: approved": 1, (404, 20404): AT_ONCE - 1}
