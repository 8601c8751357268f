"""Workers: processes that do what messages ask for. `python -m otp_app worker otp|auth`."""
