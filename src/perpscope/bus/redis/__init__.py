"""Redis or Valkey between a heart and its faces, for many faces or several machines. Needs `perpscope[redis]`."""

from perpscope.bus.redis.cache import RedisCache
from perpscope.bus.redis.publisher import RedisPublisher
from perpscope.bus.redis.subscriber import RedisSubscriber

__all__ = ["RedisCache", "RedisPublisher", "RedisSubscriber"]
