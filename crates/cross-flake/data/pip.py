# pip.py WHEEL CERTIFICATES WORD...: Debian's pip out of its wheel, for a machine without the one file of certificates that it knows.
import runpy
import sys

wheel, certificates = sys.argv[1:3]
sys.path.insert(0, wheel)
from pip._vendor import certifi

certifi.where = certifi.core.where = lambda: certificates
sys.argv = ["pip", *sys.argv[3:]]
runpy.run_module("pip", run_name="__main__")
