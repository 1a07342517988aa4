-- Makes a command stream usable again: one of the wrong type, without its group, or whose ids have
-- come to an end. Entries keep their order, and their ids where these are of this world.
--
-- KEYS  1 the command stream
-- ARGV  1 the consumer group   2 the latest time that an id may name, in milliseconds

local kept = {}
if redis.call('TYPE', KEYS[1]).ok == 'stream' then
  kept = redis.call('XRANGE', KEYS[1], '-', '+')
end
redis.call('DEL', KEYS[1])
redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
for _, entry in ipairs(kept) do
  local id, fields = entry[1], entry[2]
  if tonumber(string.match(id, '^%d+')) > tonumber(ARGV[2]) then
    id = '*'
  end
  if #fields <= 100 then -- a command has ten; `unpack` ends near 8,000
    redis.call('XADD', KEYS[1], id, unpack(fields))
  end
end
