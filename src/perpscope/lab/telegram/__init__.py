"""The Bot API of Telegram on loopback: its methods, its refusals and its limits, and the people a bot writes to.

Written from core.telegram.org/bots/api and from what telegram-bot-api and TDLib answer; nothing of ours is used.
"""
