"""tap - TAP output, programs, and tolerances for the scripts beside it"""
import os
import subprocess
import sys
import tempfile

BIN = os.environ.get("BIN", "build/bin")
TMP = tempfile.mkdtemp(prefix="weft-peers-")
_number = 0
_failed = 0


def need(*modules):
    """Skips the whole script, by name, when a package is missing."""
    for m in modules:
        try:
            __import__(m)
        except ImportError:
            print(f"ok 1 {os.path.basename(sys.argv[0])} # SKIP no {m}")
            sys.exit(0)


def run(name, *args, stdin=None, stdout=None):
    """A program of ours; fails loudly. Returns its standard output."""
    p = subprocess.run([os.path.join(BIN, name), *map(str, args)],
                       stdin=open(stdin, "rb") if stdin else subprocess.DEVNULL,
                       stdout=open(stdout, "wb") if stdout else subprocess.PIPE,
                       stderr=subprocess.PIPE)
    if p.returncode:
        raise RuntimeError(f"{name}: {p.returncode}: {p.stderr.decode()}")
    return None if stdout else p.stdout


def path(name):
    return os.path.join(TMP, name)


def check(what, ok, detail=""):
    global _number, _failed
    _number += 1
    _failed += not ok
    print(f"{'ok' if ok else 'not ok'} {_number} {what}"
          + (f" # {detail}" if detail else ""), flush=True)


def close(what, got, want, tolerance):
    """Largest difference of two arrays, against a tolerance."""
    import numpy as np
    got, want = np.asarray(got, float), np.asarray(want, float)
    if got.shape != want.shape:
        check(what, False, f"shape {got.shape}, want {want.shape}")
        return
    d = float(np.abs(got - want).max()) if got.size else 0.0
    check(what, d <= tolerance, f"difference {d:.3g}, tolerance {tolerance:g}")


def end():
    print(f"1..{_number}")
    sys.exit(1 if _failed else 0)
