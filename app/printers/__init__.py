"""Printers: enrolment by one-time code, the provider's approval, retirement."""
