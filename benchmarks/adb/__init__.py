"""Phones and boards behind adb."""
