-- Writes one decision about a town, or nothing: records, events, the command's reply, wakes.
--
-- KEYS  1 the town's hash   2 its events   3 the done record   4 the command stream
--       (3 and 4 for a command only: an ACL that allows our keys allows no empty one)
-- ARGV  1 the revision that the decision was made on     2 the transaction's id
--       3 writes: JSON list of {command, key, arguments…} 4 events: JSON list of texts
--       5 most events kept   6 reply   7 its life in seconds   8 its channel
--       9 the command's entry id   10 the consumer group   11 wakes: JSON list of channels
-- Returns {'done', last event id} | {'known', the first reply} | {'stale', the revision}.
-- Lua does not roll back, so everything that can be refused is looked at before the first write.

-- pcall: the stream is others' to write, and what was done stays done when it is broken.
local function answered(reply)
  if KEYS[4] then
    redis.pcall('XACK', KEYS[4], ARGV[10], ARGV[9])
    redis.pcall('XDEL', KEYS[4], ARGV[9])
    redis.call('PUBLISH', ARGV[8], reply)
  end
end

if KEYS[3] then
  local known = redis.call('GET', KEYS[3])
  if known then
    answered(known)
    return {'known', known}
  end
end

local revision = redis.call('HGET', KEYS[1], 'revision') or '0'
if revision ~= ARGV[1] then
  return {'stale', revision}
end
redis.call('XLEN', KEYS[2])

redis.call('HSET', KEYS[1], 'revision', string.format('%.0f', tonumber(revision) + 1), 'tx', ARGV[2])
for _, write in ipairs(cjson.decode(ARGV[3])) do
  redis.call(unpack(write))
end
local last = ''
for _, event in ipairs(cjson.decode(ARGV[4])) do
  last = redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[5], '*', 'event', event)
end
if KEYS[3] then
  redis.call('SET', KEYS[3], ARGV[6], 'EX', ARGV[7])
  answered(ARGV[6])
end
for _, channel in ipairs(cjson.decode(ARGV[11])) do
  redis.call('PUBLISH', channel, '1')
end
return {'done', last}
