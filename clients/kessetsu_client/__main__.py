"""``python -m kessetsu_client`` is the command ``kessetsu-client``."""

from kessetsu_client.cli.main import main

main()
