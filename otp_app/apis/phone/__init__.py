"""The two requests of django-phone-verify: views.py answers them, fields.py reads them."""
