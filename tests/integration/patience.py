"""How long tests wait for what has to come: one place for all of them.  Nothing here is a claim on how fast it comes."""
import os

#  How many times slower than a plain build that is which is tested, under valgrind or a sanitizer.
SLOWER = float(os.environ.get("ZBROKER_SLOWER", "1"))
PATIENCE = 60 * SLOWER      # seconds for a condition; only a failing test waits that long
REPLY = 2 * SLOWER          # seconds for one reply of a broker that may have none
SILENCE = 0.2 * SLOWER      # seconds without any reply until a client asks elsewhere
