"""More than one machine: the functions of one machine, mapped over partitions by Dask."""

from recommender.extras import needs

with needs("distributed"):
    from recommender.distributed.cluster import (
        cluster,
    )
    from recommender.distributed.contexts import (
        contexts_on,
    )
    from recommender.distributed.planning import (
        planner_on,
    )
    from recommender.distributed.prices import (
        prices_on,
    )
    from recommender.distributed.training import (
        boost_on_cluster,
    )

__all__ = [
    "boost_on_cluster",
    "cluster",
    "contexts_on",
    "planner_on",
    "prices_on",
]
