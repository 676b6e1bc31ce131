"""From files on disk, or a store, to a kept and reproducible run of a strategy."""

from perpscope.app.kept_code import keep_compiled

keep_compiled()  # numba looks where to keep things when it is imported, which every module of this room does
