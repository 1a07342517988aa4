-- Writes what was decided about a town, or nothing: records, events, replies to commands, wakes.
--
-- KEYS  1 the town's hash   2 its events   then for each command: its done record, its stream
-- ARGV  1 the revision that was decided on   2 the transaction's id; empty where nothing changed
--       3 most events kept   4 a reply's life in seconds   5 the consumer group
--       6 to 8 how many there are of commands, writes and events; then these:
--       commands: the entry's id, the reply, its channel
--       writes: how many words, {command, key, arguments…}   events: a text
--       and for the rest of it wakes: a channel
-- Returns {'done', last event id} | {'known', the revision} | {'stale', the revision}.
-- One command that was done before is answered again; of several, nothing is done.
-- Lua does not roll back, so everything that can be refused is looked at before the first write.

local HEAD = 8
local commands, writes, events = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local revision = redis.call('HGET', KEYS[1], 'revision') or '0'

-- pcall: the stream is others' to write, and what was done stays done when it is broken.
local function answered(number, reply)
  local stream, at = KEYS[2 + 2 * number], HEAD + 3 * number - 2
  redis.pcall('XACK', stream, ARGV[5], ARGV[at])
  redis.pcall('XDEL', stream, ARGV[at])
  redis.call('PUBLISH', ARGV[at + 2], reply)
end

for number = 1, commands do
  local known = redis.call('GET', KEYS[1 + 2 * number])
  if known then
    if commands == 1 then
      answered(number, known)
    end
    return { 'known', revision }
  end
end
if revision ~= ARGV[1] then
  return { 'stale', revision }
end
redis.call('XLEN', KEYS[2])

if ARGV[2] ~= '' then
  local after = string.format('%.0f', tonumber(revision) + 1)
  redis.call('HSET', KEYS[1], 'revision', after, 'tx', ARGV[2])
end
local at = HEAD + 3 * commands
for _ = 1, writes do
  local first = at + 2
  at = at + 1 + tonumber(ARGV[at + 1])
  redis.call(unpack(ARGV, first, at))
end
local last = ''
for _ = 1, events do
  at = at + 1
  last = redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', 'event', ARGV[at])
end
for number = 1, commands do
  local reply = ARGV[HEAD + 3 * number - 1]
  redis.call('SET', KEYS[1 + 2 * number], reply, 'EX', ARGV[4])
  answered(number, reply)
end
for wake = at + 1, #ARGV do
  redis.call('PUBLISH', ARGV[wake], '1')
end
return { 'done', last }
