-- As much of Redis as core/redis/halley.lua needs of it, on tables, with the model's clock.
-- model.c calls fcall(), publish(), new_process() and their like, and is called back:
-- deliver(channel, message) gives a message to all subscribers and says how many,
-- subscribers() says how many workers are subscribed, clock() says microseconds.

local db, functions, calls, run = {}, {}, 0, ''

redis = {}

local function key(name, make)
  if not db[name] and make then db[name] = make end
  return db[name]
end

local function str(value)
  return type(value) == 'number' and string.format('%.17g', value) or value
end

local command = {}

function command.TIME()
  local now = clock()
  return { string.format('%.0f', math.floor(now / 1000000)), string.format('%.0f', now % 1000000) }
end

function command.INFO(section)
  if section == 'server' then return 'run_id:' .. run .. '\r\n' end
  return calls > 0 and 'cmdstat_publish:calls=' .. calls .. ',usec=1\r\n' or ''
end

function command.GET(name)
  return key(name) or false
end

function command.HGET(name, field)
  return (key(name) or {})[field] or false
end

function command.HMGET(name, ...)
  local out = {}
  for i, field in ipairs({ ... }) do out[i] = command.HGET(name, field) end
  return out
end

function command.HSET(name, ...)
  local hash, words = key(name, {}), { ... }
  for i = 1, #words, 2 do hash[words[i]] = str(words[i + 1]) end
  return #words / 2
end

function command.HSETNX(name, field, value)
  if command.HGET(name, field) then return 0 end
  return command.HSET(name, field, value)
end

function command.HDEL(name, field)
  local hash = key(name) or {}
  local had = hash[field] and 1 or 0
  hash[field] = nil
  return had
end

function command.HKEYS(name)
  local out = {}
  for field in pairs(key(name) or {}) do out[#out + 1] = field end
  table.sort(out)
  return out
end

function command.HLEN(name)
  return #command.HKEYS(name)
end

function command.HGETALL(name)
  local out = {}
  for _, field in ipairs(command.HKEYS(name)) do
    out[#out + 1], out[#out + 2] = field, db[name][field]
  end
  return out
end

function command.HEXISTS(name, field)
  return command.HGET(name, field) and 1 or 0
end

function command.HRANDFIELD(name, count)
  local fields = command.HKEYS(name)
  return { unpack(fields, 1, math.min(count, #fields)) }
end

function command.RPUSH(name, item)
  local list = key(name, {})
  list[#list + 1] = item
  return #list
end

function command.LPOP(name)
  return table.remove(key(name) or {}, 1) or false
end

function command.LINDEX(name, index)
  return (key(name) or {})[index + 1] or false
end

function command.LLEN(name)
  return #(key(name) or {})
end

function command.EXPIRE()
  return 1
end

local spoilt = {}

local function ids(id)
  local epoch, n = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(epoch), tonumber(n)
end

function command.XADD(name, _, _, _, id, _, _, _, data)
  if spoilt[name] then error({ err = 'WRONGTYPE' }) end
  local stream = key(name, { last = '0-0', entries = {} })
  local epoch, n = ids(id)
  local last_epoch, last_n = ids(stream.last)
  if epoch < last_epoch or (epoch == last_epoch and n <= last_n) then error({ err = 'ERR id too small' }) end
  stream.last = id
  stream.entries[#stream.entries + 1] = id .. ' ' .. data
  return id
end

function command.XINFO(_, name)
  if not key(name) then error({ err = 'ERR no such key' }) end
  return { 'last-generated-id', db[name].last }
end

function command.ZADD(name, score, member)
  key(name, {})[member] = tonumber(score)
  return 1
end

function command.ZREMRANGEBYSCORE()
  return 0
end

function command.ZREMRANGEBYRANK()
  return 0
end

function command.ZREVRANGE(name, first, last)
  local set, members, out = key(name) or {}, {}, {}
  for member in pairs(set) do members[#members + 1] = member end
  table.sort(members, function(a, b) return set[a] > set[b] or (set[a] == set[b] and a > b) end)
  for i = first + 1, math.min(last + 1, #members) do out[#out + 1] = members[i] end
  return out
end

function command.PUBLISH(channel, message)
  calls = calls + 1
  return deliver(channel, message)
end

function command.PUBSUB(_, channel)
  return { channel, subscribers() }
end

function redis.call(name, ...)
  if not command[name] then error('the model has no ' .. name) end
  return command[name](...)
end

function redis.pcall(...)
  local ok, result = pcall(redis.call, ...)
  if ok then return result end
  return type(result) == 'table' and result or { err = tostring(result) }
end

function redis.error_reply(message)
  return { err = message }
end

function redis.register_function(f)
  functions[f.function_name] = f.callback
end

-- ------------------------------------------------------------ what the model calls

function fcall(name, keys, args)
  if not functions[name] then return { err = 'ERR Function not found' } end
  return functions[name](keys, args)
end

function publish(channel, message)
  return command.PUBLISH(channel, message)
end

-- Twice within few publishes could not be seen.
function reset_statistics()
  if calls >= 100000 then calls = 0 end
end

function flush_functions()
  functions = {}
end

function load_functions()
  if not next(functions) then library() end
end

-- Another process of Redis, with the data that this one had.
function new_process(id)
  run, calls = id, 100000 -- so that it is seen when they are reset
  flush_functions()
end

local function copy(value)
  if type(value) ~= 'table' then return value end
  local out = {}
  for k, v in pairs(value) do out[k] = copy(v) end
  return out
end

local saved = {}

function save()
  saved = copy(db)
end

function restore()
  db = copy(saved)
end

function wipe()
  db = {}
end

redis.sha1hex = sha1hex

-- A stranger says what workers would believe, in a new barrier or an old one.
function forge(number)
  local lease, n = 'halley.lease:sequencer', tonumber(number)
  local barrier = tonumber(command.HGET(lease, 'barrier') or 0) + (n % 3 == 0 and -1 or n % 3 == 1 and 5 or 2 ^ 51)
  local words = { string.format('begin %.0f 7', barrier), string.format('begin %.0f 7 0123456789abcdef', barrier),
    string.format('done %s %s', command.HGET(lease, 'gen') or '1', string.match(command.HGET(lease, 'last') or '1 1', '^%d+') .. ' 9000000000000000') }
  command.PUBLISH('halley.sequenced', words[n % #words + 1] .. (n % 2 == 0 and ' 0123456789abcdef' or ''))
end

-- A channel's history is no stream for a while.
function spoil(channel)
  local name = 'halley.history:{' .. channel .. '}'
  spoilt[name] = not spoilt[name]
end

function mend()
  spoilt = {}
end

-- The publishes that are set aside, by channel and number.
function aside()
  local numbers = {}
  for _, channel in ipairs(command.HKEYS('halley.lease:sequencer:aside')) do
    for _, item in ipairs(key('halley.lease:sequencer:aside:' .. channel) or {}) do
      numbers[#numbers + 1] = channel .. ' ' .. (string.match(item, '^[%d.]+ %d+ (%d+)$') or '-1')
    end
  end
  return numbers
end

-- Another world.
function begin()
  db, saved = {}, {}
  mend()
end

-- The history of a channel, an entry "id data" each; and its last number.
function history(channel)
  return (key('halley.history:{' .. channel .. '}') or {}).entries or {}
end

function counter(channel)
  local meta = key('halley.meta:{' .. channel .. '}') or {}
  return meta.epoch or '0', meta.n or '0'
end
