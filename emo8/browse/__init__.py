"""`emo8 browse`: a build or a dataset in the FiftyOne App, and what curators do there back again.

`rows` reads builds and datasets, `media` keeps one small picture file per row, `fields` says what
the App shows, `fill` brings rows into FiftyOne, `views` and `looks` arrange them, `brain` makes the
maps, `tags` reads curators' tags, `predictions` shows what models said, `app` serves it all. Only
this package imports FiftyOne.
"""
