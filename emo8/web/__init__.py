"""The web, lawfully and safely: one guarded way to reach it, for pictures and for searches.

`address` says which networks are closed, `wire` connects to the address that was checked, `consent`
asks robots.txt and its kin, `pacing` keeps hosts unharmed, `agent` puts them together for one link.
`store` and `stage` are the build's side; `emo8/web/downloader.py` runs img2dataset with all of it.
"""
