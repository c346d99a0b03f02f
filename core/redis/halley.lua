#!lua name=halley
--
-- Halley inside Redis: everything that must happen atomically.
--
-- Of each channel there is, under one hash tag:
--
--   halley.history:{channel}   stream; entry ids are message ids, fields at, data
--   halley.meta:{channel}      hash: epoch, n   the last number that was given
--                                    run        the Redis process that gave it
--                                    born       the least epoch of a place that nothing was behind
--                                    history, ttl, max_message   as last configured
--                                    largest  bytes of the longest payload ever kept
--                                    bare     stretch of the last bare publish that was kept
--   <prefix>.live:{channel}    pub/sub: "<id> <at> <payload>"
--   halley.idempotency:{channel}:<key>   "<id> <at>" of the first publish through Redis
--   halley.posted:{channel}:<who> <key>  the same of a publish from the web, by <who>
--
-- of all channels together:
--
--   halley.channels        sorted set: when a channel had a publish last, by the minute
--   halley.channels:born   sorted set: since when it stands there
--   <prefix>.born          pub/sub: "<at> <channel>", when one comes to stand there
--   halley.revoked         hash: tokens that are good no more; "<words>" to "<at> <until>"
--   <prefix>.revoked       pub/sub: "<at> <until> <words>", when one comes to stand there
--
-- and for each section of the configuration with a publish_rate:
--
--   halley.rate:<pattern>:<who>          when the next publish of <who> is due
--
-- The guarantee: within an epoch, numbers count 1, 2, 3 ... and a number is never
-- given to two messages. A Redis that was killed may have forgotten numbers that
-- it had given out, and what was written to disk cannot tell. So whenever the
-- process that publishes is not the process that counted last, a new epoch begins,
-- and every reader that stands in an older one is told of a gap.
--
-- Pub/sub knows no databases, so every name there begins with the prefix of the
-- installation whose database this is; see "installations" below.
--
-- To add a function: write it, register it at the end with its flags, and raise
-- VERSION (tests/lint/library-version --update). Programs load this file when Redis
-- has none or an older one; when it has another text of the same number, once each.
--
-- Older programs go on with a newer text: it may take more arguments and answer more, behind
-- what there was. Where that cannot be, raise SERVES to the new VERSION: programs whose own text
-- has a lower number end when they find this one. They look twice a second, so what they call
-- until then must be refused, and not be taken for something else. halley_installation and
-- halley_session_version are asked by programs of every age.

local VERSION = 28
local SERVES = 26 -- the lowest number of a text whose programs can work with this one
local DIGEST = '' -- of this text, which the build puts in here (Makefile)

local HISTORY, TTL, MAX_MESSAGE = 1000, 3600, 65536
local META_TTL, IDEMPOTENCY_TTL = 604800, 300
local TAGS_MAX, TALLY_FIELDS = 1024, 32
local REPORTS_MAX, REPORTS_BYTES, REPORT_BYTES = 512, 1048576, 16384
local READ_MOST, READ_BYTES, READ_CHUNK, READ_EPOCHS, ENTRY_BYTES = 1000, 1048576, 100, 64, 100
local TRIM_BYTES = 8388608

-- Both numbers of an id are below this: what Lua, C and JavaScript count exactly.
local NUMBER_LIMIT = 9007199254740992

-- This reign: a Redis process for as long as it is nobody's replica. Its name, `run`, is the
-- process's run_id, and where it was promoted, whose successor it is: what a process gave out
-- before it was a replica may not be what it holds now. `born` is a millisecond at which it
-- surely reigned already: when this library first asked, or two seconds behind its start if
-- that is earlier and it was never promoted; what an earlier copy of this library found is
-- kept in halley.reign (first_known). `latest` is the latest time that was asked at, which
-- a clock that is set back does not change.
local run, born, latest
local looked, heir, replica -- when INFO was looked at last, and what it said
local LOOK_MS, REIGN = 100, 'halley.reign'

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function begin_reign(now, info)
  local uptime = tonumber(string.match(info, 'uptime_in_seconds:(%d+)')) or 0
  local clock = math.floor((tonumber(string.match(info, 'server_time_usec:(%d+)')) or now * 1000) / 1000000)
  run = string.match(info, 'run_id:(%x+)') .. (heir and ':' .. string.sub(heir, 1, 8) or '')
  born = heir and now or math.min(now, (clock - uptime + 2) * 1000)
end

-- A change of reign takes longer than LOOK_MS: the new master must have been heard. A replica
-- looks each time, and so begins with the first call after it was promoted.
local function know_process(now)
  latest = math.max(latest or 0, now)
  if run and not replica and math.abs(now - looked) < LOOK_MS then return end
  local info = redis.call('INFO', 'server') .. redis.call('INFO', 'replication')
  local second = string.match(info, 'master_replid2:(%x+)')
  local was, before = replica, heir
  -- Redis forgets whose successor it is where no replica comes for long; that changes nothing
  heir = second and string.find(second, '[^0]') and second or before
  replica = string.find(info, 'role:slave', 1, true) ~= nil
  looked = now
  if not run or was or replica or heir ~= before then begin_reign(now, info) end
end

local function text(number)
  return string.format('%.0f', number)
end

-- How often this library published: what others did is the rest (bare_count()).
local published = 0

-- `born`, or what this database says of the same reign, where that is earlier.
local function first_known()
  local held = redis.pcall('GET', REIGN)
  local name, at = string.match(type(held) == 'string' and held or '', '^(%S+) (%d+)$')
  if name == run then born = math.min(born, tonumber(at)) end
  return born
end

-- Puts `born` down for a copy of this library that is loaded later (FUNCTION FLUSH).
local function keep_born(now)
  know_process(now)
  local known = run .. ' ' .. text(first_known())
  if redis.pcall('GET', REIGN) ~= known then redis.call('SET', REIGN, known) end
end

local function tell(channel, message)
  redis.call('PUBLISH', channel, message)
  published = published + 1
end

local function id_of(epoch, n)
  return text(epoch) .. '-' .. text(n)
end

local function split_id(id)
  local epoch, n = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(epoch), tonumber(n)
end

local function key(kind, channel)
  return 'halley.' .. kind .. ':{' .. channel .. '}'
end

local function fail(message)
  return redis.error_reply('ERR ' .. message)
end

-- ---------------------------------------------------------------- channel names

-- The length of the UTF-8 sequence that starts at `at`, or nil (RFC 3629).
local function utf8_sequence(s, at)
  local a, b, c, d = string.byte(s, at, at + 3)
  local function tail(x) return x and x >= 0x80 and x <= 0xbf end
  if a < 0x80 then return 1 end
  if a >= 0xc2 and a <= 0xdf and tail(b) then return 2 end
  if a >= 0xe0 and a <= 0xef and tail(b) and tail(c)
    and not (a == 0xe0 and b < 0xa0) and not (a == 0xed and b > 0x9f) then return 3 end
  if a >= 0xf0 and a <= 0xf4 and tail(b) and tail(c) and tail(d)
    and not (a == 0xf0 and b < 0x90) and not (a == 0xf4 and b > 0x8f) then return 4 end
  return nil
end

-- Why nobody may publish to this channel, or nil.
local function bad_channel(channel)
  if #channel < 1 or #channel > 200 then return 'channel: must be 1 to 200 bytes' end
  if string.find(channel, '[%z\1-\31\127{}*]') or string.find(channel, '\194[\128-\159]') then
    return 'channel: must not hold control characters or { } *'
  end
  if string.sub(channel, 1, 1) == '~' then return 'channel: names that begin with ~ are reserved' end
  local at = 1
  while string.find(channel, '[\128-\255]', at) do
    local length = utf8_sequence(channel, at)
    if not length then return 'channel: must be valid UTF-8' end
    at = at + length
  end
  return nil
end

-- ---------------------------------------------------------------- installations

-- Which prefix a database has, the programs keep in it, for a function cannot ask where
-- it is called:
--
--   halley.prefix        string "<prefix> <database> <since>", as the programs have them;
--                        since is the microsecond in which it was put there, so another
--                        one tells that it was gone; 0: no function was there yet
--
-- Which installations there are in this Redis is known in memory alone: each program
-- makes its claim twice a second. Who claims what an older claim holds, the prefix in
-- another database or the database with another prefix, is in the wrong.

local PREFIX, DEFAULT_PREFIX = 'halley.prefix', 'halley'
local CLAIM_MS, CLAIMS_MAX = 3000, 256
local claims = {} -- { prefix, database, seen }, the oldest first
local remembers   -- since when there is this memory
local others      -- whether a prefix that is not the default one was ever seen

local function fresh_claims(now)
  for i = #claims, 1, -1 do
    if math.abs(now - claims[i].seen) > CLAIM_MS then table.remove(claims, i) end
  end
  return claims
end

-- Who stands in the way of this installation, and whether he was there before.
local function rival_of(prefix, database, now)
  local rival, older, mine = nil, false, false
  for _, claim in ipairs(fresh_claims(now)) do
    if claim.prefix == prefix and claim.database == database then
      mine = true
    elseif claim.prefix == prefix or claim.database == database then
      rival, older = rival or claim, older or not mine
    end
  end
  return rival, older
end

-- Prefix, database and since as they stand in this database; nothing where they do not.
-- It is always the same few texts, so each is taken apart once.
local parsed, parsed_count = {}, 0
local function held_installation()
  local held = redis.call('GET', PREFIX)
  if not held then return nil end
  local parts = parsed[held]
  if not parts then
    if parsed_count == CLAIMS_MAX then parsed, parsed_count = {}, 0 end
    parts = { string.match(held, '^([%w_-]+) (%d+) (%d+)$') }
    parsed[held], parsed_count = parts, parsed_count + 1
    if parts[1] and parts[1] ~= DEFAULT_PREFIX then others = true end
  end
  return parts[1], parts[2], parts[3]
end

-- The prefix of this database, and the database; nil where it cannot be known. Programs
-- tell theirs, strangers do not.
local function known_prefix(told)
  local prefix, database = held_installation()
  if prefix then return prefix, database end
  return told or (not others and DEFAULT_PREFIX) or nil
end

local UNKNOWN_PREFIX = 'prefix: is not known yet in this database, try again in a second'

-- Tells everybody who follows the channel. Where several prefixes claim this database,
-- which their programs refuse to begin with, each hears it.
local function announce(channel, message, prefix, database, told, now)
  local name = '.live:{' .. channel .. '}'
  tell(prefix .. name, message)
  if told and told ~= prefix then tell(told .. name, message) end
  if #claims < 2 then return end
  for _, claim in ipairs(fresh_claims(now)) do
    if claim.database == database and claim.prefix ~= prefix and claim.prefix ~= told then
      tell(claim.prefix .. name, message)
    end
  end
end

local function claim(prefix, database, now)
  for _, known in ipairs(fresh_claims(now)) do
    if known.prefix == prefix and known.database == database then
      known.seen = now
      return true
    end
  end
  if #claims == CLAIMS_MAX then return false end
  claims[#claims + 1] = { prefix = prefix, database = database, seen = now }
  return true
end

-- A program says that it is there, and asks what is.
-- in:  prefix, number of the database
-- out: { VERSION, DIGEST, prefix, database and since as they stand in this database, the
--      rival's prefix and database or '', 1 if he was there before, SERVES }
local function halley_installation(keys, args)
  local prefix, database, now = args[1] or '', args[2] or '', now_ms()
  if #prefix > 64 or not string.find(prefix, '^[%w_-]+$') or not string.find(database, '^%d+$') then
    return fail('usage: FCALL_RO halley_installation 0 prefix database')
  end
  remembers = remembers or now
  if prefix ~= DEFAULT_PREFIX then others = true end
  if not claim(prefix, database, now) then
    return fail('prefix: ' .. CLAIMS_MAX .. ' installations are too many')
  end
  local held, held_database, since = held_installation()
  local rival, older = rival_of(prefix, database, now)
  if not rival and held and held ~= prefix and now - remembers < CLAIM_MS then
    -- the others may not have had the time to say that they are still there
    rival, older = { prefix = held, database = database }, true
  end
  return { VERSION, DIGEST, held or '', held_database or '', since or '',
    rival and rival.prefix or '', rival and rival.database or '', older and 1 or 0, SERVES }
end

-- Puts down whose this database is. Called by a program that nobody stands before.
-- in:  prefix, number of the database
-- out: since
local function halley_install(keys, args)
  local prefix, database, since = held_installation()
  if prefix ~= args[1] or database ~= args[2] or since == '0' then
    local time = redis.call('TIME')
    since = text(time[1] * 1000000 + time[2])
    redis.call('SET', PREFIX, args[1] .. ' ' .. args[2] .. ' ' .. since)
  end
  return since
end

-- ------------------------------------------------------------------- publishing

-- A new epoch: above the old one, above what the history holds, and not before any time
-- at which this process was asked, so that positions taken from it meanwhile stay below.
-- An entry that was written by hand, above all that a position may be, counts for nothing.
-- Also the least epoch of a place behind which nothing was before it: what the history holds
-- may be of this process, where the counter is gone (evicted, deleted).
local function new_epoch(channel, old)
  local epoch, began = math.max(latest, born, (old or 0) + 1), born
  local info = redis.pcall('XINFO', 'STREAM', key('history', channel))
  if not info.err then
    for i = 1, #info, 2 do
      local last, last_n
      if info[i] == 'last-generated-id' then last, last_n = split_id(info[i + 1]) end
      if last and last + 1 < NUMBER_LIMIT then
        epoch = math.max(epoch, last + 1)
        began = math.max(began, last_n > 0 and last + 1 or last) -- one by hand may be its own place
      end
    end
  end
  return epoch, began
end

-- The place in front of the epoch that the next publish will begin.
local function place(channel, old)
  return id_of((new_epoch(channel, old)), 0)
end

-- The channels that began an epoch in the last millisecond, or so many of them: deleted
-- since, one would begin with the same numbers.
local BEGUN_MAX = 1000
local begun, begun_count, begun_until = {}, 0, 0

local function begin_epoch(channel, old)
  first_known()
  if latest > begun_until or begun_count >= BEGUN_MAX then begun, begun_count = {}, 0 end
  local epoch, began = new_epoch(channel, old)
  epoch = math.max(epoch, (begun[channel] or 0) + 1)
  begun[channel], begun_count = epoch, begun_count + 1
  begun_until = math.max(latest, epoch, begun_until)
  return epoch, began
end

-- How many entries stay, where there are to be `history` of them. A history that became
-- much shorter is not cut at once, which would keep Redis for long, but by every publish a
-- bit, of so many bytes at most.
local function kept(history_key, history, largest)
  local held = redis.pcall('XLEN', history_key)
  if type(held) ~= 'number' then return history end
  return math.max(history, held - math.max(2, math.floor(TRIM_BYTES / math.max(largest, 100))))
end

-- Adds to the stream above what somebody else wrote there. Above what nothing can be
-- added, or no position can name, the stream begins anew.
local function add_above(history_key, history, id, now, payload)
  local function add()
    return redis.pcall('XADD', history_key, 'MAXLEN', '=', text(history), id, 'at', text(now), 'data', payload)
  end
  local added = add()
  local why = type(added) == 'table' and added.err or ''
  if string.find(why, 'equal or smaller', 1, true) or string.find(why, 'exhausted', 1, true) then
    redis.call('UNLINK', history_key)
    added = add()
  end
  if type(added) == 'table' and added.err then error(added) end
end

-- Whether a gap is owed in front of a bare publish of the stretch `bare`, the one before it in
-- its channel being of another, `last`: where that is a later one; or where that came late
-- itself, so that what is lost may lie between the two: behind a gap that was told up to a
-- barrier, or from another process of Redis, of which this one may have forgotten some.
-- (Within one stretch nothing comes late: halley_sequence does what is next, or nothing.)
local function comes_late(bare, last, lease_key)
  local told = redis.call('HMGET', lease_key, 'doubted', 'gen')
  local function barrier_of(stretch) return tonumber(string.match(stretch or '', '^%d+')) or 0 end
  local before = barrier_of(last)
  return barrier_of(bare) < before or before < math.max(barrier_of(told[1]), barrier_of(told[2]))
end

-- A new epoch begins with no bare publish: the gap that is told in front of it stands for what
-- came late, or was forgotten, before the first.
local function forget_bare(meta_key, bare)
  if not bare then redis.call('HDEL', meta_key, 'bare') end
end

-- Names that were put down in this minute, or so many of them: of those that are not among
-- them Redis is asked once more.
local NAMES, BORN = 'halley.channels', 'halley.channels:born'
local NAMES_MS, NAMES_MAX, NOTED_MAX, NAMES_OLD = 60000, 100000, 10000, 100
local noted, noted_count, noted_in = {}, 0, 0

local function forget_names(names)
  if type(names) ~= 'table' or names.err or #names == 0 then return end
  redis.pcall('ZREM', NAMES, unpack(names))
  redis.pcall('ZREM', BORN, unpack(names))
end

-- Puts down that the channel had a publish, and tells where it is new among the names. A
-- cluster keeps names elsewhere than channels, and refuses: it has no patterns.
local function note_name(channel, new, now, prefix, told)
  local minute = math.floor(now / NAMES_MS)
  if minute ~= noted_in then noted, noted_count, noted_in = {}, 0, minute end
  if noted[channel] and not new then return end
  if noted_count < NOTED_MAX then noted[channel], noted_count = true, noted_count + 1 end
  if redis.pcall('ZADD', NAMES, text(now), channel) ~= 1 then return end
  redis.pcall('ZADD', BORN, text(now), channel)
  forget_names(redis.pcall('ZRANGEBYSCORE', NAMES, '-inf', text(now - META_TTL * 1000), 'LIMIT', '0', text(NAMES_OLD)))
  local count = redis.pcall('ZCARD', NAMES)
  if type(count) == 'number' and count > NAMES_MAX then forget_names(redis.pcall('ZRANGE', NAMES, '0', '0')) end
  pcall(tell, prefix .. '.born', text(now) .. ' ' .. channel)
  if told and told ~= prefix then pcall(tell, told .. '.born', text(now) .. ' ' .. channel) end
end

-- The id that append() or make_hole() gave last; who is raised out of them asks for it.
local given

-- Gives `payload` the next number, keeps it, and tells everybody who listens.
-- `o` has history, ttl, max_message, meta_ttl as numbers, all optional; with
-- o.remember they hold for later callers who do not say; o.prefix is the caller's, if
-- that is a program; o.bare is the stretch of a bare publish, of the lease o.lease: where it
-- comes late a number is left out in front of it, so that readers are told of a gap. Returns id and time, or nil
-- and why not.
local function append(channel, payload, o, now)
  know_process(now)
  local prefix, database = known_prefix(o.prefix)
  if not prefix then return nil, UNKNOWN_PREFIX end
  local meta_key = key('meta', channel)
  local meta = redis.call('HMGET', meta_key, 'epoch', 'n', 'run', 'history', 'ttl', 'max_message', 'largest', 'bare')
  local epoch, n, began = tonumber(meta[1]), tonumber(meta[2])
  local history = o.history or tonumber(meta[4]) or HISTORY
  local ttl = o.ttl or tonumber(meta[5]) or TTL
  local max_message = o.max_message or tonumber(meta[6]) or MAX_MESSAGE
  if #payload > max_message then
    return nil, 'payload: ' .. #payload .. ' bytes, the most is ' .. text(max_message)
  end

  local fields = {}
  if not epoch or meta[3] ~= run then
    epoch, began = begin_epoch(channel, epoch)
    n, fields = 0, { 'epoch', text(epoch), 'run', run, 'born', text(began) }
    forget_bare(meta_key, o.bare)
  elseif o.bare and meta[8] and meta[8] ~= o.bare and comes_late(o.bare, meta[8], o.lease) then
    n = n + 1
  end
  local history_key = key('history', channel)
  -- readers fetch by it (collect); what an older library kept may be as long as was allowed
  local largest = math.max(tonumber(meta[7]) or (meta[1] and max_message) or 0, #payload)
  local most = kept(history_key, history, largest)
  local id = id_of(epoch, n + 1)
  local added = redis.pcall('XADD', history_key, 'MAXLEN', '=', text(most), id,
    'at', text(now), 'data', payload)
  if type(added) == 'table' and added.err then
    -- somebody else wrote into the stream: go on above what they wrote
    epoch, began = begin_epoch(channel, epoch)
    n, id = 0, id_of(epoch, 1)
    fields = { 'epoch', text(epoch), 'run', run, 'born', text(began) }
    add_above(history_key, history, id, now, payload)
  end
  redis.call('EXPIRE', history_key, text(ttl))

  fields[#fields + 1] = 'n'
  fields[#fields + 1] = text(n + 1)
  if largest ~= tonumber(meta[7]) then
    fields[#fields + 1] = 'largest'
    fields[#fields + 1] = text(largest)
  end
  if o.remember and (meta[4] ~= text(history) or meta[5] ~= text(ttl) or meta[6] ~= text(max_message)) then
    for _, name in ipairs({ 'history', 'ttl', 'max_message' }) do
      fields[#fields + 1] = name
      fields[#fields + 1] = text(o[name])
    end
  end
  if o.bare and meta[8] ~= o.bare then
    fields[#fields + 1] = 'bare'
    fields[#fields + 1] = o.bare
  end
  redis.call('HSET', meta_key, unpack(fields))
  given = id
  redis.call('EXPIRE', meta_key, text(math.max(o.meta_ttl or META_TTL, 2 * ttl)))
  announce(channel, id .. ' ' .. text(now) .. ' ' .. payload, prefix, database, o.prefix, now)
  note_name(channel, not meta[1], now, prefix, o.prefix)
  return id, now
end

local function whole_number(value, least, most)
  local number = #value <= 32 and tonumber(value)
  if not number or number ~= math.floor(number) or number < least or number > most then return nil end
  return number
end

-- The first answer to this idempotency key, of this kind: id, time; or nil and the key to set.
local function seen_before(kind, channel, idempotency)
  local idempotency_key = key(kind, channel) .. ':' .. idempotency
  local seen = redis.call('GET', idempotency_key)
  if not seen then return nil, idempotency_key end
  local id, at = string.match(seen, '^(%S+) (%d+)$')
  return id, tonumber(at)
end

-- Meets whatever a publish would: writes a key that nobody reads, and tells the live feed of
-- no channel.
-- in:  that key; prefix
-- out: 1, or why not
local function halley_health(keys, args)
  local prefix = known_prefix(args[1])
  if not prefix then return fail(UNKNOWN_PREFIX) end
  redis.call('SET', keys[1], '', 'PX', 60000)
  tell(prefix .. '.live:{}', '')
  return 1
end

-- FCALL halley_publish 1 <channel> <payload> [IDEMPOTENCY key] [HISTORY n] [TTL seconds]
-- in:  the public call of anybody who can reach Redis
-- out: the message's id
local function halley_publish(keys, args)
  local channel, payload, o, idempotency = keys[1], args[1], {}, nil
  if #keys ~= 1 or not payload or #args % 2 ~= 1 then
    return fail('usage: FCALL halley_publish 1 channel payload [IDEMPOTENCY key] [HISTORY n] [TTL seconds]')
  end
  for i = 2, #args, 2 do
    local said, value = string.sub(args[i], 1, 32), args[i + 1]
    local name = string.upper(said)
    if name == 'IDEMPOTENCY' then
      if #value < 1 or #value > 200 then return fail('IDEMPOTENCY: must be 1 to 200 bytes') end
      idempotency = value
    elseif name == 'HISTORY' then
      o.history = whole_number(value, 0, 1000000)
      if not o.history then return fail('HISTORY: must be a whole number from 0 to 1000000') end
    elseif name == 'TTL' then
      o.ttl = whole_number(value, 1, 315360000)
      if not o.ttl then return fail('TTL: must be whole seconds from 1 to 315360000') end
    else
      return fail('no option is called ' .. string.gsub(said, '[^%w_]', '?')
        .. ': there are IDEMPOTENCY, HISTORY and TTL')
    end
  end
  local bad = bad_channel(channel)
  if bad then return fail(bad) end

  local idempotency_key
  if idempotency then
    local id, found = seen_before('idempotency', channel, idempotency)
    if id then return id end
    idempotency_key = found
  end
  local id, at = append(channel, payload, o, now_ms())
  if not id then return fail(at) end
  if idempotency_key then
    redis.call('SET', idempotency_key, id .. ' ' .. text(at), 'EX', IDEMPOTENCY_TTL)
  end
  return id
end

-- How often one client may publish to the channels of one section: the generic cell rate
-- algorithm, with a burst of `count` in `seconds`.
-- in:  rate key; count, seconds, 1 or (to take one back that was counted) -1
-- out: milliseconds until it may publish again; 0: now, and it is counted
local function halley_rate(keys, args)
  local now, count, seconds, cost = now_ms(), tonumber(args[1]), tonumber(args[2]), tonumber(args[3])
  local step, window = seconds * 1000 / count, seconds * 1000
  local due = math.max(tonumber(redis.call('GET', keys[1]) or now), now)
  local wait = due + step - window - now
  if cost > 0 and wait > 0.5 then return math.ceil(wait) end
  due = math.max(due + cost * step, now)
  redis.call('SET', keys[1], string.format('%.3f', due), 'PX', text(math.ceil(due - now) + 1000))
  return 0
end

-- halley.fcgi publishes for a browser, whose rate it has asked for before.
-- in:  channel; payload, history, ttl, max_message, meta_ttl, idempotency key or '',
--      idempotency_ttl, who: a key is a repetition only of its own; 'over:<ms>' where the
--      rate is used up for so long, so that only a repetition is answered; one that is not
--      looked at (older programs give a rate in these two); prefix
-- out: { id, at, 1 if it is a repetition }, or the error "RATE <milliseconds to wait>"
local function halley_post(keys, args)
  local channel, now = keys[1], now_ms()
  local bad = bad_channel(channel)
  if bad then return fail(bad) end
  local idempotency_key
  if args[6] ~= '' then
    local id, found = seen_before('posted', channel, args[8] .. ' ' .. args[6])
    if id then return { id, found, 1 } end
    idempotency_key = found
  end
  local over = string.match(args[9] or '', '^over:(%d+)$')
  if over then return redis.error_reply('RATE ' .. over) end
  local id, at = append(channel, args[1], {
    history = tonumber(args[2]), ttl = tonumber(args[3]), max_message = tonumber(args[4]),
    meta_ttl = tonumber(args[5]), prefix = args[11], remember = true }, now)
  if not id then return fail(at) end
  if idempotency_key then
    redis.call('SET', idempotency_key, id .. ' ' .. text(at), 'EX', args[7])
  end
  return { id, at, 0 }
end

-- ---------------------------------------------------------------------- reading

-- How many entries to fetch next, so that no more is moved than `room` bytes, or one
-- message: as many as surely fit where none is longer than `largest`, and few at first,
-- because entries that were made by hand may be.
local function chunk(room, largest, wanted, fetched)
  local fit = math.max(1, math.floor(room / math.max(largest, 1)))
  return math.min(fit, wanted, 2 + 4 * fetched, READ_CHUNK)
end

-- What an entry counts for: many small ones are dear too, wherever they are handled.
local function entry_bytes(entry)
  local bytes = ENTRY_BYTES
  for _, field in ipairs(entry[2]) do bytes = bytes + #field end
  return bytes
end

-- Whether this id is the expected one. Behind the last number of an epoch stands what
-- somebody else wrote as number 0 of the next one.
local function follows(epoch, n, expected_epoch, expected_n)
  if expected_n == NUMBER_LIMIT then return epoch == expected_epoch + 1 and n == 0 end
  return epoch == expected_epoch and n == expected_n
end

-- Collects entries of the stream from `from` on (as XRANGE takes it), until `limit` or
-- `most` bytes. `expected` is the id that the first one must have for nothing to be
-- missing; nil where nobody is owed anything. `sizes.largest`: bytes of the longest payload;
-- one above `sizes.longest` is only named, by its length, and ends the page.
-- Returns { id, at, data, ... }, the last id, which message is behind the first hole
-- (nil: there is none), and whether the stream ended there.
local function collect(channel, from, limit, most, sizes, expected)
  local out, bytes, last, hole = {}, 0, nil, nil
  local largest = sizes.largest
  local expected_epoch, expected_n
  if expected then expected_epoch, expected_n = split_id(expected) end
  while #out / 3 < limit and bytes < most do
    local wanted = chunk(most - bytes, largest, limit - #out / 3, #out / 3)
    local entries = redis.call('XRANGE', key('history', channel), from, '+', 'COUNT', text(wanted))
    for _, entry in ipairs(entries) do
      local at, data = '0', ''
      for i = 1, #entry[2], 2 do
        if entry[2][i] == 'at' then at = entry[2][i + 1] end
        if entry[2][i] == 'data' then data = entry[2][i + 1] end
      end
      last = entry[1]
      local epoch, n = split_id(last)
      if expected then
        if not follows(epoch, n, expected_epoch, expected_n) then hole = hole or #out / 3 + 1 end
        expected_epoch, expected_n = epoch, n + 1
      end
      if epoch < NUMBER_LIMIT and n < NUMBER_LIMIT then
        if #data > sizes.longest then data = #data end
        out[#out + 1], out[#out + 2], out[#out + 3] = last, at, data
        if type(data) == 'number' then return out, last, hole, false end
      end
      local size = entry_bytes(entry)
      bytes, largest = bytes + size, math.max(largest, size)
      if bytes >= most then return out, last, hole, false end
    end
    if #entries < wanted then return out, last, hole, true end
    from = '(' .. last
  end
  return out, last, hole, false
end

-- Where the last `count` messages up to this id begin, as XRANGE takes it, by ids alone:
-- numbers have no holes within an epoch, and only the oldest epoch that is held can
-- have lost its first ones. One entry is looked at for each older epoch.
local function last_by_ids(channel, count, epoch, n)
  for _ = 1, READ_EPOCHS do
    if n >= count then return '(' .. id_of(epoch, n - count) end
    count = count - n
    local older = redis.call('XREVRANGE', key('history', channel), '(' .. id_of(epoch, 0), '-', 'COUNT', '1')
    if #older == 0 then return '-' end
    epoch, n = split_id(older[1][1])
  end
  return '(' .. id_of(epoch, 0) -- behind so many epochs the rest is left out
end

-- The same by reading backwards, where entries were made or deleted by hand: exact for
-- as many as one answer brings; for those before them, by ids.
local function last_by_reading(channel, count, limit, most, largest)
  local to, seen, bytes = '+', 0, 0
  while seen < math.min(count, limit) and bytes < most do
    local wanted = chunk(most - bytes, largest, math.min(count, limit) - seen, seen)
    local entries = redis.call('XREVRANGE', key('history', channel), to, '-', 'COUNT', text(wanted))
    for _, entry in ipairs(entries) do
      local size = entry_bytes(entry)
      bytes, largest = bytes + size, math.max(largest, size)
    end
    if #entries < wanted then return '-' end
    seen, to = seen + #entries, '(' .. entries[#entries][1]
  end
  local epoch, n = split_id(string.sub(to, 2))
  if seen == count then return id_of(epoch, n) end
  return last_by_ids(channel, count - seen, epoch, math.max(n - 1, 0))
end

-- The last `count` messages of a channel, oldest first, as collect() returns them.
local function collect_last(channel, count, limit, most, sizes, epoch, n)
  local history_key = key('history', channel)
  local held = redis.call('XLEN', history_key)
  if held <= count then return collect(channel, '-', limit, most, sizes) end
  if epoch and #redis.call('XREVRANGE', history_key, '+', '(' .. id_of(epoch, n), 'COUNT', '1') == 0 then
    local out, last, hole, ended =
      collect(channel, last_by_ids(channel, count, epoch, n), limit, most, sizes)
    if not ended or #out / 3 >= count then return out, last, hole, ended end
  end -- else there are holes, or somebody else wrote behind the last message
  return collect(channel, last_by_reading(channel, count, limit, most, sizes.largest), limit, most, sizes)
end

-- The last messages in front of an id ('+': of all), oldest first, as many as fit; behind how many
-- of them the first hole is, counted as collect() does; and whether older ones are held.
local function collect_before(channel, id, limit, most, largest)
  local history_key, to, newest, bytes = key('history', channel), id, {}, 0
  if id ~= '+' then to = '(' .. id end
  local full, ended = false, false
  while not full and not ended do
    local wanted = chunk(most - bytes, largest, limit - #newest + 1, #newest) -- one to see that there is one
    local entries = redis.call('XREVRANGE', history_key, to, '-', 'COUNT', text(wanted))
    for _, entry in ipairs(entries) do
      local size = entry_bytes(entry)
      full = full or #newest == limit or #newest > 0 and bytes + size > most
      if not full then newest[#newest + 1], to = entry, '(' .. entry[1] end
      bytes, largest = bytes + size, math.max(largest, size)
    end
    ended = #entries < wanted
  end
  local out, hole, expected_epoch, expected_n = {}, nil, nil, nil
  for i = #newest, 1, -1 do
    local epoch, n = split_id(newest[i][1])
    if expected_epoch and not follows(epoch, n, expected_epoch, expected_n) then hole = hole or #out / 3 + 1 end
    expected_epoch, expected_n = epoch, n + 1
    local at, data = '0', ''
    for f = 1, #newest[i][2], 2 do
      if newest[i][2][f] == 'at' then at = newest[i][2][f + 1] end
      if newest[i][2][f] == 'data' then data = newest[i][2][f + 1] end
    end
    if epoch < NUMBER_LIMIT and n < NUMBER_LIMIT then out[#out + 1], out[#out + 2], out[#out + 3] = newest[i][1], at, data end
  end
  if id ~= '+' then
    local epoch, n = split_id(id)
    if not expected_epoch then expected_epoch, expected_n = epoch, math.min(n, 1) end -- nothing is held
    if not follows(epoch, n, expected_epoch, expected_n) then hole = hole or #out / 3 + 1 end
  end
  return out, hole, full
end

-- What a reader that stands at `since` is owed: where to read on (nil: nothing),
-- the id that must come first (nil: there is a gap, or nothing is owed), whether something
-- is known to be missing in front of that, and where it stands after everything.
local function owed(channel, since, meta)
  local epoch, n, counted_by, began = tonumber(meta[1]), tonumber(meta[2]), meta[3], tonumber(meta[4])
  local at_epoch, at_n = split_id(since)
  local next_one = id_of(at_epoch, at_n + 1)
  if not epoch then
    -- no counter: what the stream may still hold follows by its ids. A place in front of an
    -- epoch stays true while that is nothing; whoever had a message may have missed others
    local held = redis.call('XRANGE', key('history', channel), '(' .. since, '+', 'COUNT', '1')
    if at_n == 0 and #held == 0 then return nil, nil, false, since end
    return '(' .. since, next_one, false, place(channel)
  end
  local tail = id_of(epoch, n)
  if at_epoch == epoch then
    if at_n > n then -- Redis forgot; it will begin a new epoch if it was restarted
      return nil, nil, true, counted_by ~= run and place(channel, epoch) or tail
    end
    if at_n == n then return nil, nil, false, tail end
    return '(' .. since, next_one, false, tail
  end
  if at_epoch < epoch then
    -- who was here before the channel, in this process, is owed its first message
    local before = at_n == 0 and at_epoch >= began
    return '(' .. since, before and id_of(epoch, 1) or next_one, false, tail
  end
  if counted_by == run then return '(' .. id_of(epoch, 0), nil, true, tail end
  if at_n == 0 and at_epoch >= first_known() then
    return nil, nil, false, since -- was told of the loss, and nothing came since
  end
  return '(' .. since, nil, true, tail -- has had, or was told of, all that is left
end

-- Whether there is an entry behind `last`, which collect() stopped at. Where the counter
-- says so it is believed: an entry may be long, and a hole is seen when it is read on.
local function goes_on(channel, last, epoch, n)
  local last_epoch, last_n = split_id(last)
  if epoch == last_epoch and n > last_n or epoch and epoch > last_epoch then return true end
  return #redis.call('XRANGE', key('history', channel), '(' .. last, '+', 'COUNT', '1') > 0
end

-- Everything after a position.
-- in:  channel; since ("now", "start", "-K", a position, or "<" and an id or "+": the last messages
--      in front of that, where "more" stands for older ones), limit (READ_MOST at most),
--      optionally how many bytes (READ_BYTES at most; one whole message always), and above how
--      many bytes a message is not sent along, but only named: it is the last one of the page
-- out: { position after everything, gap (0: none; 1: in front of the first message; 2: of the
--      second ...; there may be others behind that one), more 0/1, { id, at, data or how many
--      bytes that has, ... } }
local function halley_read(keys, args)
  local channel, since, now = keys[1], args[1], now_ms()
  local limit = math.min(tonumber(args[2]), READ_MOST)
  if #channel > 200 then return fail('channel: must be 1 to 200 bytes') end
  if #since > 64 then return fail('since: must be now, start, -K or a position') end
  local most = math.min(tonumber(args[3]) or READ_BYTES, READ_BYTES)
  know_process(now)
  local meta = redis.call('HMGET', key('meta', channel), 'epoch', 'n', 'run', 'born', 'max_message', 'largest')
  local epoch, n = tonumber(meta[1]), tonumber(meta[2])
  local sizes = { largest = tonumber(meta[6]) or tonumber(meta[5]) or MAX_MESSAGE,
    longest = tonumber(args[4]) or math.huge }
  local tail, expected, gap, entries, last, hole, ended
  if string.sub(since, 1, 1) == '<' then
    entries, hole, ended = collect_before(channel, string.sub(since, 2), limit, most, sizes.largest)
    return { epoch and id_of(epoch, n) or place(channel), hole or 0, ended and 1 or 0, entries }
  end
  if string.match(since, '^%d') then
    local from
    from, expected, gap, tail = owed(channel, since, meta)
    if not from then return { tail, gap and 1 or 0, 0, {} } end
    entries, last, hole, ended = collect(channel, from, limit, most, sizes, expected)
  else
    -- Who reads without a position is owed nothing that came before now: where the
    -- next publish will begin a new epoch, it stands in front of that one already.
    tail = epoch and meta[3] == run and id_of(epoch, n) or place(channel, epoch)
    if since == 'now' then return { tail, 0, 0, {} } end
    if since == 'start' then
      entries, last, hole, ended = collect(channel, '-', limit, most, sizes)
    else
      entries, last, hole, ended =
        collect_last(channel, tonumber(string.sub(since, 2)), limit, most, sizes, epoch, n)
    end
  end
  if gap or expected and #entries == 0 then hole = 1 end
  local more = false
  if last and last ~= tail and last ~= (epoch and id_of(epoch, n)) then
    more = not ended and goes_on(channel, last, epoch, n)
    if expected and not more then -- the end was taken away: told behind the last message
      more, hole = hole ~= nil, hole or #entries / 3 + 1
    end
  end
  if hole and not more and #entries == 0 and epoch and meta[3] ~= run then tail = place(channel, epoch) end
  return { tail, hole or 0, more and 1 or 0, entries }
end

-- The names that a pattern (core/data/wildcard.h) stands for, those that had a publish last
-- first, and since when each stands there.
-- in:  halley.channels, halley.channels:born; pattern, how many at most
-- out: { name, born, name, born, ... }
local NAMES_CHUNK = 1000
local function halley_channels(keys, args)
  local head, stars = string.match(args[1] or '', '^(.-)(%*%*?)$')
  local most = tonumber(args[2])
  if not head or not most then return fail('usage: FCALL_RO halley_channels 2 names born pattern most') end
  local out, from = {}, 0
  repeat
    local names = redis.call('ZREVRANGE', keys[1], from, from + NAMES_CHUNK - 1)
    for _, name in ipairs(names) do
      if #out < 2 * most and #name > #head and string.sub(name, 1, #head) == head
        and (stars == '**' or not string.find(name, '/', #head + 1, true)) then
        out[#out + 1], out[#out + 2] = name, redis.call('ZSCORE', keys[2], name) or '0'
      end
    end
    from = from + NAMES_CHUNK
  until #names < NAMES_CHUNK or #out >= 2 * most
  return out
end

-- ------------------------------------------------------- who serves WebSockets

-- Sorted set of processes, each with the millisecond until which it is believed.

-- in:  key; process, milliseconds from now on; 0: it serves no more
-- out: how many serve
local function halley_serve(keys, args)
  local now, length = now_ms(), tonumber(args[2])
  redis.call('ZREMRANGEBYSCORE', keys[1], '-inf', text(now))
  if length > 0 then
    redis.call('ZADD', keys[1], text(now + length), args[1])
    redis.call('PEXPIRE', keys[1], args[2])
  else
    redis.call('ZREM', keys[1], args[1])
  end
  return redis.call('ZCARD', keys[1])
end

-- in:  key
-- out: how many serve
local function halley_serving(keys, args)
  return redis.call('ZCOUNT', keys[1], '(' .. text(now_ms()), '+inf')
end

-- ------------------------------------------------------------- processes' reports

-- What a process said of itself, if that is not older than so many seconds, by this Redis's
-- clock: that of whoever reads the list, or of whoever wrote it, may be wrong. Else it is
-- taken out.
local function fresh_report(processes, id, seconds, now)
  local said = redis.call('HGET', processes, id)
  local space = string.find(said, ' ', 1, true)
  local at = space and tonumber(string.sub(said, 1, space - 1))
  if at and math.abs(now - at) <= seconds then return string.sub(said, space + 1) end
  redis.call('HDEL', processes, id)
  return nil
end

-- in:  the list's key; the process's id, what it says of itself, seconds until that is stale
-- out: 1, or 0: there are too many of them, or more than is ever read
local function halley_report(keys, args)
  local now = now_ms() / 1000
  if #args[2] > REPORT_BYTES then return fail('report: ' .. #args[2] .. ' bytes, the most is ' .. REPORT_BYTES) end
  keep_born(math.floor(now * 1000))
  if redis.call('HEXISTS', keys[1], args[1]) == 0 and redis.call('HLEN', keys[1]) >= REPORTS_MAX then
    local left, bytes = 0, 0
    for _, id in ipairs(redis.call('HKEYS', keys[1])) do
      local report = fresh_report(keys[1], id, tonumber(args[3]), now)
      if report then left, bytes = left + 1, bytes + #report end
      if left >= REPORTS_MAX or bytes > REPORTS_BYTES then return 0 end
    end
  end
  redis.call('HSET', keys[1], args[1], text(math.floor(now)) .. ' ' .. args[2])
  return 1
end

-- in:  the list's key; seconds until a report is stale
-- out: the reports that are not, up to REPORTS_BYTES
local function halley_reports(keys, args)
  local out, bytes, now = {}, 0, now_ms() / 1000
  for _, id in ipairs(redis.call('HKEYS', keys[1])) do
    local report = fresh_report(keys[1], id, tonumber(args[1]), now)
    bytes = bytes + (report and #report or 0)
    if bytes > REPORTS_BYTES then break end
    if report then out[#out + 1] = report end
  end
  return out
end

-- ------------------------------------------------------------- tokens that are good no more

-- A field of the hash is whose: "sub\nS", "jti\nJ" or "channel\nS\nC"; its value the second in
-- which that was said last, and the one from which on no such token is good anyway, or 0: nobody
-- knows. What was said is never forgotten before: where there is no room it is not taken.
local REVOKED, REVOKED_MAX, REVOKED_NAME = 'halley.revoked', 100000, 255

local function revoked_until(value, now)
  local at, till = string.match(value, '^(%d+) (%d+)$')
  till = tonumber(till)
  if till ~= 0 and till <= now then return nil end
  return tonumber(at), till
end

local function forget_revoked(now)
  local all = redis.call('HGETALL', REVOKED)
  for i = 1, #all, 2 do
    if not revoked_until(all[i + 1], now) then redis.call('HDEL', REVOKED, all[i]) end
  end
end

local function is_token_name(name)
  return name ~= nil and #name > 0 and #name <= REVOKED_NAME and not string.find(name, '[%z\1-\31\127]')
end

-- The field, and how many words it has taken; nil: there is none.
local function revoked_field(args)
  if (args[1] == 'sub' or args[1] == 'jti') and is_token_name(args[2]) then
    return args[1] .. '\n' .. args[2], 2
  elseif args[1] == 'channel' and args[3] == 'sub' and is_token_name(args[4])
    and args[2] and not bad_channel(args[2]) then
    return 'channel\n' .. args[4] .. '\n' .. args[2], 4
  end
  return nil
end

-- in:  'sub' S | 'jti' J | 'channel' C 'sub' S; and, where the caller knows it, 'until' the Unix
--      second in which the last such token expires
-- out: OK
local function halley_revoke(keys, args)
  local now = now_ms()
  local second, field, words = math.floor(now / 1000), revoked_field(args)
  local till = 0
  if field and args[words + 1] == 'until' then
    till = tonumber(string.match(args[words + 2] or '', '^%d+$') or '')
    words = words + 2
  end
  if not field or not till or #args > words then
    return fail('usage: FCALL halley_revoke 0 sub S | jti J | channel C sub S [until SECOND]')
  end
  local prefix = known_prefix(nil)
  if not prefix then return fail(UNKNOWN_PREFIX) end
  local held = redis.call('HGET', REVOKED, field)
  local before, held_till = revoked_until(held or '0 1', second)
  if before then
    second = math.max(second, before)
    till = (till == 0 or held_till == 0) and 0 or math.max(till, held_till)
  end
  if not held and redis.call('HLEN', REVOKED) >= REVOKED_MAX then
    forget_revoked(second)
    if redis.call('HLEN', REVOKED) >= REVOKED_MAX then
      return fail('revoked: ' .. REVOKED_MAX .. ' are too many; say until when they matter')
    end
  end
  local value = text(second) .. ' ' .. text(till)
  redis.call('HSET', REVOKED, field, value)
  tell(prefix .. '.revoked', value .. ' ' .. field)
  return 'OK'
end

-- in:  nothing
-- out: what was said and matters, each as it was told
local function halley_revoked()
  local all, out = redis.call('HGETALL', REVOKED), {}
  local second = math.floor(now_ms() / 1000)
  for i = 1, #all, 2 do
    if revoked_until(all[i + 1], second) then out[#out + 1] = all[i + 1] .. ' ' .. all[i] end
  end
  return out
end

-- ----------------------------------------------------------------------- accounts

-- What the requests of one tag have cost. Whoever sends requests invents tags, so there
-- are TAGS_MAX of them at most, and each is forgotten when it is not used any more.
-- in:  the tag's key, that of the set of tags; seconds to keep it, tag, field, amount, ...
--      of TALLY_FIELDS fields at most
-- out: 1, or 0: there are too many, and it was not counted
local function halley_tally(keys, args)
  local now, ttl, tag = now_ms(), tonumber(args[1]), args[2]
  if #args > 2 + 2 * TALLY_FIELDS then return fail('tally: at most ' .. TALLY_FIELDS .. ' fields') end
  redis.call('ZREMRANGEBYSCORE', keys[2], '-inf', text(now - ttl * 1000))
  if not redis.call('ZSCORE', keys[2], tag) and redis.call('ZCARD', keys[2]) >= TAGS_MAX then
    return 0
  end
  redis.call('ZADD', keys[2], text(now), tag)
  redis.call('EXPIRE', keys[2], args[1])
  for i = 3, #args, 2 do redis.call('HINCRBY', keys[1], args[i], args[i + 1]) end
  redis.call('EXPIRE', keys[1], args[1])
  return 1
end

-- -------------------------------------------------------------- the workers' part

-- What workers hear has names, see the head of worker/sequencer.c: the barrier after
-- which it was published, and a number that counts every bare publish of this Redis
-- process. The lease, a hash, holds:
--
--   owner, until, ttl   who leads; until when, in milliseconds of this Redis; for how long he asked
--   from                the barrier behind which he may go on
--   last                the name of what he did last; how many were ever done; the number up to
--                       which others had done what is behind that barrier; behind these "granted"
--                       where he has done nothing yet, and this is what he goes on from
--   done:<barrier>      the number up to which everything behind that barrier is done;
--                       where `last` is behind it too, that counts
--   forgotten           the greatest barrier of which the last was taken out for want of room
--   settled             the name up to which everything is done, or was told as a gap
--   doubted             the barrier up to which that was told last
--   doubt               how many channels were told a gap of those that have to be, while that goes on
--   leap                "<barrier>.<number>": behind that name begins a stretch of its own (set_leap)
--   barrier             the last one
--   aside               how many publishes are set aside, and their bytes
--   secret              known to whoever may read this, so to workers: they believe nobody else
--   run, gen, since     the Redis process that this is about, a number for it, and its beginning
--   patterns            what who joined last hears besides bare publishes, in short
--
-- <lease>:workers   hash: what each worker said of itself last
-- <lease>:channels  sorted set: when a channel had a bare publish last, by the minute
--
-- What Redis refuses in one channel alone, because a key of it is of the wrong type or out
-- of reach, is set aside, so that the others go on, and tried again in order:
--
-- <lease>:aside            hash: of each channel how many, their bytes, 1 if there was no room
--                          for more, and its history, ttl, max_message and meta_ttl
-- <lease>:aside:<channel>  list: "<stretch> <number> <payload>"; of what is a gap the name alone

local ASIDE_ITEMS, ASIDE_BYTES = 1000, 4194304 -- of a channel
local ASIDE_ITEMS_MAX, ASIDE_BYTES_MAX, ASIDE_CHANNELS = 10000, 33554432, 10000 -- of all
local ASIDE_CHUNK, ASIDE_CHUNK_BYTES = 100, 1048576
local SEGMENTS, CHANNELS, DOUBT_CHUNK = 1000, 10000, 100
local GONE_MS = 600000
local DEAF = 9007199254740991
local WORKER = { 'ends', 'ttl', 'gen', 'from', 'start', 'seen', 'heard', 'oldest', 'before_barrier',
  'before_number', 'since_barrier', 'since_number', 'broken', 'joins', 'unsure' }

local last_stamp, last_count = 0, 0
local count_from -- when this library began to count: it does not go on from what another counted

-- A number above all that this process gave before, above `least`, and about now.
local function stamp(least)
  local time = redis.call('TIME')
  last_stamp = math.max(time[1] * 1000000 + time[2], last_stamp + 1, least + 1)
  return last_stamp
end

-- How many PUBLISH commands this process carried out, those of this library aside. It
-- leaps where that is not known, so that nobody takes what was not counted for nothing.
local function bare_count()
  local calls = string.match(redis.call('INFO', 'commandstats'), 'cmdstat_publish:calls=(%d+)')
  count_from = count_from or now_ms()
  local count = count_from + (calls and calls - published or 0)
  if count < last_count or (not calls and published > 0) then
    count = last_count + 1000000
    published = (calls or 0) + count_from - count
  end
  last_count = count
  return count
end

-- Names are { barrier, number }.
local function name_of(barrier, number)
  return { tonumber(barrier) or 0, tonumber(number) or 0 }
end

local function parse_name(words)
  return name_of(string.match(words or '', '^(%d+) (%d+)'))
end

local function name_text(name)
  return text(name[1]) .. ' ' .. text(name[2])
end

local function later(a, b)
  if a[1] > b[1] or (a[1] == b[1] and a[2] > b[2]) then return a end
  return b
end

-- What a worker says of itself: which is the oldest name that it holds, or 0 0; since which
-- barrier it heard that and what followed (`from`, with the count of that barrier), and what
-- it hears now (`start`); what it heard last; where it stopped to hear (`before`; and since which barrier it had, `since`), and whether
-- that was because it was cut (1), which is not settled yet, or it heard something that had no
-- name (2); how often it joined; the secret as it knows it, or would have it.
local function report_of(args)
  local secret = string.match(args[21] or '', '^%x+$') or ''
  if #secret ~= 32 then secret = '' end -- an older worker has none
  return { verb = args[1], prefix = args[2], owner = args[3], ttl = tonumber(args[4]),
    gen = tonumber(args[5]), from = tonumber(args[6]), count = tonumber(args[7]),
    start = tonumber(args[8]), listening = args[9] == '1', heard = name_of(args[10], args[11]),
    oldest = name_of(args[12], args[13]), before = name_of(args[14], args[15]),
    since = name_of(args[16], args[17]), broken = args[18] == '1', nameless = args[18] == '2',
    held = args[19] == '1', joins = tonumber(args[20]), secret = secret,
    peers = { unpack(args, secret == '' and 21 or 22) } }
end

-- Tells all workers of an installation.
local function tell_workers(prefix, word)
  tell(prefix .. '.sequenced', word)
end

-- Tells them what they have to believe: anybody may publish on their channel, so it is signed.
local function tell_surely(prefix, secret, word)
  tell_workers(prefix, word .. ' ' .. string.sub(redis.sha1hex(secret .. ' ' .. word), 1, 16))
end

local function put_worker(lease_key, owner, worker)
  local words = {}
  for i, field in ipairs(WORKER) do words[i] = text(worker[field]) end
  redis.call('HSET', lease_key .. ':workers', owner, table.concat(words, ' '))
end

-- Everybody's words, by name: as they are, without regard to who still lives.
local function said_by_all(lease_key)
  local flat, workers = redis.call('HGETALL', lease_key .. ':workers'), {}
  for i = 1, #flat, 2 do
    local worker, at = {}, 0
    for number in string.gmatch(flat[i + 1], '%d+') do
      at = at + 1
      if WORKER[at] then worker[WORKER[at]] = tonumber(number) end
    end
    if at == #WORKER then
      workers[flat[i]] = worker
    else
      redis.call('HDEL', lease_key .. ':workers', flat[i])
    end
  end
  return workers
end

-- Redis was started: who had long been silent before that is not waited for.
local function forget_silent(lease_key)
  local workers, last = said_by_all(lease_key), 0
  for _, worker in pairs(workers) do last = math.max(last, worker.ends - worker.ttl) end
  for owner, worker in pairs(workers) do
    if worker.ends <= last then redis.call('HDEL', lease_key .. ':workers', owner) end
  end
end

-- How many bare publishes were ever done, as `last` says.
local function total_of(last)
  return tonumber(string.match(last or '', '^%d+ %d+ (%d+)')) or 0
end

-- Up to which number everything behind that barrier is done.
local function done_behind(lease_key, barrier, last)
  local done = tonumber(redis.call('HGET', lease_key, 'done:' .. barrier)) or 0
  local last_barrier, number = string.match(last or '', '^(%d+) (%d+) %d+ %d+$')
  return last_barrier == barrier and math.max(done, tonumber(number)) or done
end

-- Puts what `last` says into the record of its barrier, before it says something else.
local function keep_last(lease_key, last)
  local barrier = string.match(last or '', '^(%d+) %d+ %d+ %d+$')
  if barrier then
    redis.call('HSET', lease_key, 'done:' .. barrier, text(done_behind(lease_key, barrier, last)))
  end
end

local function going_on_from(name, total, done)
  return name_text(name) .. ' ' .. text(total) .. ' ' .. text(done) .. ' granted'
end

-- The lease as it stands. In a Redis process that does not know it, nobody holds it.
local function lease_of(lease_key, now)
  know_process(now)
  local f = redis.call('HMGET', lease_key, 'owner', 'until', 'ttl', 'from', 'last', 'settled',
    'run', 'gen', 'since', 'barrier', 'doubt', 'forgotten', 'aside', 'secret')
  local lease = { owner = f[1] or '', ends = tonumber(f[2]) or 0, ttl = tonumber(f[3]) or 0,
    from = tonumber(f[4]) or 0, last = parse_name(f[5]), settled = parse_name(f[6]),
    last_text = f[5] or '', gen = tonumber(f[8]) or 0, since = tonumber(f[9]) or now,
    barrier = tonumber(f[10]) or 0, doubt = f[11], forgotten = tonumber(f[12]) or 0,
    aside = f[13], secret = f[14] }
  if f[7] ~= run then
    lease.gen, lease.since, lease.ends, lease.doubt = stamp(lease.barrier), now, 0, nil
    keep_last(lease_key, lease.last_text)
    lease.last, lease.settled = { 0, 0 }, { 0, 0 }
    lease.last_text = going_on_from({ 0, 0 }, total_of(lease.last_text), 0)
    redis.call('HSET', lease_key, 'run', run, 'gen', text(lease.gen), 'since', text(now),
      'until', '0', 'settled', '0 0', 'last', lease.last_text)
    redis.call('HDEL', lease_key, 'doubt', 'leap')
    forget_silent(lease_key)
  end
  if lease.ends > now + lease.ttl or lease.since > now then -- the clock was set back
    lease.ends, lease.since = math.min(lease.ends, now + lease.ttl), math.min(lease.since, now)
    redis.call('HSET', lease_key, 'until', text(lease.ends), 'since', text(lease.since))
  end
  lease.settled = later(lease.settled, lease.last)
  return lease
end

-- Everybody who reported, by name. One of another process of Redis may live, and hold
-- more than it said: it has as long to come back as a lease lasts.
local function workers_of(lease_key, lease, now)
  local workers = said_by_all(lease_key)
  for owner, worker in pairs(workers) do
    if worker.ends > now + worker.ttl then -- the clock was set back
      worker.ends = now + worker.ttl
      put_worker(lease_key, owner, worker)
    end
    worker.known = worker.gen == lease.gen
    worker.live = math.max(worker.ends, worker.known and 0 or lease.since + worker.ttl) > now
  end
  return workers
end

-- Notes what a worker says of itself; and, where this process of Redis is new to it, of
-- whom it knows that they may come back. It is unsure where it has to say more first. False
-- where it said that before it joined, on its other connection, and Redis knows better.
local function register(lease_key, lease, r, now, unsure)
  local known = said_by_all(lease_key)[r.owner]
  if known and known.gen == lease.gen and known.joins > r.joins then
    known.ends = now + r.ttl
    put_worker(lease_key, r.owner, known)
    return false
  end
  -- what it hears of another process says nothing of this one
  local seen = r.listening and ((r.joins_now or r.gen == lease.gen) and r.heard[1] or 0) or DEAF
  put_worker(lease_key, r.owner, { ends = now + r.ttl, ttl = r.ttl, gen = lease.gen,
    from = r.from, start = r.start, seen = seen, heard = r.heard[2], oldest = r.oldest[1],
    before_barrier = r.before[1], before_number = r.before[2],
    since_barrier = r.since[1], since_number = r.since[2],
    broken = (r.broken or r.nameless) and 1 or 0, joins = r.joins, unsure = unsure and 1 or 0 })
  if r.heard[1] > lease.barrier then
    redis.call('HSET', lease_key, 'barrier', text(r.heard[1]))
  end
  if r.gen == lease.gen then return true end
  for _, peer in ipairs(r.peers) do
    redis.call('HSETNX', lease_key .. ':workers', peer, '0 ' .. text(r.ttl) .. ' 0 0 0 0 0 0 0 0 0 0 0 0 0')
  end
  return true
end

-- Takes those out who are gone. Who is only stopped may still be subscribed, so that
-- publishers are answered: he counts for some time more as one who may have heard something.
local function forget_gone(lease_key, workers, now)
  for owner, worker in pairs(workers) do
    if not worker.live and not (worker.known and worker.ends + GONE_MS > now) then
      redis.call('HDEL', lease_key .. ':workers', owner)
    end
  end
end

local function set_settled(lease_key, lease, name)
  lease.settled = later(lease.settled, name)
  redis.call('HSET', lease_key, 'settled', name_text(lease.settled))
end

-- Nobody holds the lease; `turn` (or whoever is first) may ask for it at once.
local function set_free(lease_key, prefix, turn)
  redis.call('HSET', lease_key, 'until', '0')
  tell_workers(prefix, 'free ' .. turn)
end

-- The generation, and the secret behind it: where there is none it is that of who asks.
local function known_to(lease_key, lease, r)
  if not lease.secret and r.secret ~= '' then
    lease.secret = r.secret
    redis.call('HSET', lease_key, 'secret', r.secret)
  end
  return text(lease.gen) .. (lease.secret and ' ' .. lease.secret or '')
end

-- Keeps the records of so many barriers. What a worker still holds of an older one
-- cannot be judged any more.
local function forget_old(lease_key, lease)
  if redis.call('HLEN', lease_key) < 2 * SEGMENTS then return end
  local barriers = {}
  for _, field in ipairs(redis.call('HKEYS', lease_key)) do
    local barrier = string.match(field, '^done:(%d+)$')
    if barrier then barriers[#barriers + 1] = tonumber(barrier) end
  end
  table.sort(barriers)
  for i = 1, #barriers - SEGMENTS do
    redis.call('HDEL', lease_key, 'done:' .. text(barriers[i]))
    lease.forgotten = math.max(lease.forgotten, barriers[i])
  end
  redis.call('HSET', lease_key, 'forgotten', text(lease.forgotten))
end

-- Whether workers listen that hear other patterns, and so count other publishes: names that one
-- of them and a worker of these patterns gave would not be of the same publishes. One that was
-- stopped says nothing, and hears all the same: what it alone hears, and answers for by being
-- subscribed, would be lost when it goes on and finds that others count by now.
local function others_count(lease_key, patterns, prefix, owner, now)
  know_process(now)
  local lease = redis.call('HMGET', lease_key, 'patterns', 'run', 'gen')
  if (lease[1] or '') == patterns or lease[2] ~= run then return false end
  for name, w in pairs(said_by_all(lease_key)) do
    local live = w.ends > now and w.ends <= now + w.ttl and w.gen == tonumber(lease[3])
    if live and w.seen ~= DEAF and name ~= owner then return true end
  end
  return prefix ~= nil and redis.call('PUBSUB', 'NUMSUB', prefix .. '.sequenced')[2] > 0
end

-- A worker begins to listen: called in one transaction with its SUBSCRIBE. That goes on where
-- this is refused, so a worker asks first whether it would be ("try" and the prefix, changes nothing).
-- in:  lease key; "join" and a report (report_of); where it hears more than bare publishes, the
--      digest of what stands behind that word: "join 0123456789abcdef"
-- out: { barrier, count, generation and secret, 1 if publishes may have passed unheard since it listened,
--      or since it joined without hearing of it }; or an error while workers listen that count others
local function halley_join(keys, args)
  local now = now_ms()
  local verb, patterns = string.match(args[1], '^(%a+) ?(%x*)$')
  patterns = patterns or ''
  if others_count(keys[1], patterns, args[2], args[3], now) then
    return fail('PATTERNS workers with other sections of ingest are at work')
  elseif verb == 'try' then
    return 1
  end
  local lease, r = lease_of(keys[1], now), report_of(args)
  local same = r.gen == lease.gen
  local barrier, count = stamp(math.max(lease.barrier, r.heard[1])), bare_count()
  local said = said_by_all(keys[1])[r.owner]
  local unheard = said and not same and said.gen == lease.gen and said.seen ~= DEAF and said.seen > 0
  r.broken = (r.broken and same) or unheard or r.nameless
  if not same then r.before, r.since = { 0, 0 }, { 0, 0 } end
  r.from = r.oldest[1] > 0 and r.from or barrier
  r.start, r.heard, r.listening, r.joins_now = barrier, { barrier, count }, true, true
  register(keys[1], lease, r, now, false)
  forget_old(keys[1], lease)
  local known = known_to(keys[1], lease, r)
  redis.call('HSET', keys[1], 'patterns', patterns)
  tell_surely(r.prefix, lease.secret or '', 'begin ' .. text(barrier) .. ' ' .. text(count)
    .. (patterns ~= '' and ' ' .. patterns or ''))
  return { text(barrier), text(count), known, r.broken and 1 or 0 }
end

-- Who has to go before `r`, 'wait' where somebody has not said yet, or nil; and whether
-- something may be lost in front of the barrier behind which `r` goes on: somebody's
-- subscription was cut or he died, none of those who live heard it in his place, and the
-- number of publishes says that there was something to hear.
local function objection(lease, r, workers)
  local wait, first = false, nil
  local lost = (r.broken or r.nameless) and r.before[1] < r.from
  local unsettled, heard = lease.settled[1] < r.from, lease.settled
  -- what was heard from `since` to `before` counts where it goes on from what is settled
  local function heard_to(before, since)
    if before[1] < r.from and (since[1] <= lease.settled[1] or since[2] == lease.settled[2]) then
      heard = later(heard, before)
    end
  end
  heard_to(r.before, r.since)
  for owner, w in pairs(workers) do
    if owner ~= r.owner then
      local cut_before = w.broken == 1 and w.before_barrier < r.from
      if not w.live then -- with what he held of before, or may have heard
        lost = lost or (w.known and (w.from < r.from or cut_before))
      elseif not w.known or w.unsure == 1 then
        wait = true
      else
        lost = lost or cut_before
        heard_to({ w.before_barrier, w.before_number }, { w.since_barrier, w.since_number })
        local holds = w.oldest > 0 and w.oldest < r.from
        local can_vouch = unsettled and w.seen ~= DEAF and w.from < r.from
        if (holds or can_vouch) and (not first or w.from < workers[first].from) then first = owner end
        if w.seen < r.from then wait = true end
      end
    end
  end
  return first or (wait and 'wait') or nil, unsettled and lost and heard[2] ~= r.count
end

-- What is sequenced behind one barrier is one stretch, which the barrier names; what another
-- process of Redis passed on may have parts of which nobody holds what is between them, where
-- this process has forgotten that it was done: then each is a stretch, with a name of its own.
local function set_leap(lease_key, lease, next_to, done)
  local leap = text(next_to[1]) .. '.'
  if next_to[1] < lease.gen and done < next_to[2] then
    redis.call('HSET', lease_key, 'leap', leap .. text(next_to[2]))
  elseif string.find(redis.call('HGET', lease_key, 'leap') or leap, leap, 1, true) ~= 1 then
    redis.call('HDEL', lease_key, 'leap')
  end
end

local function stretch_of(barrier, leap)
  return leap and string.find(leap, barrier .. '.', 1, true) == 1 and leap or barrier
end

-- Gives the lease to `r`, who goes on behind r.from, right behind the name `next_to`.
local function grant(lease_key, lease, r, workers, next_to, doubt, now)
  redis.call('HSET', lease_key, 'owner', r.owner, 'until', text(now + r.ttl), 'ttl', text(r.ttl),
    'from', text(r.from))
  keep_last(lease_key, lease.last_text)
  if doubt then -- nothing is done, and nothing more is settled, until that is over
    set_settled(lease_key, lease, lease.settled)
    redis.call('HSET', lease_key, 'last', going_on_from({ 0, 0 }, total_of(lease.last_text), 0))
    if not lease.doubt then redis.call('HSET', lease_key, 'doubt', '0') end
    return 'doubt'
  end
  redis.call('HDEL', lease_key, 'doubt')
  local done = done_behind(lease_key, text(next_to[1]), lease.last_text)
  redis.call('HSET', lease_key, 'last', going_on_from(next_to, total_of(lease.last_text), done))
  set_leap(lease_key, lease, next_to, done)
  set_settled(lease_key, lease, later(name_of(r.from, r.count), lease.settled))
  forget_gone(lease_key, workers, now)
  return 'granted'
end

-- Whether everything that the worker still holds was heard by the one who leads too.
local function covered(lease, r, workers, now)
  if r.oldest[1] == 0 then return true end
  local leader = workers[lease.owner]
  if lease.owner == r.owner or lease.ends <= now or not leader or not leader.live or not leader.known
    or leader.seen == DEAF then return false end
  return leader.start <= r.oldest[1] and later(r.heard, { leader.seen, leader.heard }) ~= r.heard
end

-- The heart of halley_lease: the word for `r`, and milliseconds until it is worth asking again.
local function judge(lease_key, lease, r, now)
  local workers = workers_of(lease_key, lease, now)
  local mine = lease.owner == r.owner and lease.ends > now
  local renews = mine and r.held and r.from == lease.from and not lease.doubt
  local next_to = r.oldest[1] > 0 and { r.oldest[1], r.oldest[2] - 1 } or r.heard

  if renews then set_settled(lease_key, lease, next_to) end
  if r.verb == 'leave' and covered(lease, r, workers, now) then
    if r.broken or r.nameless then -- then it leaves as one who died: something may be lost
      workers[r.owner].ends = now
      put_worker(lease_key, r.owner, workers[r.owner])
    else
      redis.call('HDEL', lease_key .. ':workers', r.owner)
    end
    if mine then set_free(lease_key, r.prefix, '*') end
    return 'left', 0
  elseif r.verb == 'release' and mine then
    set_free(lease_key, r.prefix, '*')
    return 'held', r.ttl
  elseif r.verb == 'report' or r.verb == 'release' or (not mine and lease.ends > now) then
    return 'held', lease.ends - now
  end
  -- nobody has it whose installation is in the wrong: he would do what others do
  local prefix, database = known_prefix(r.prefix)
  local _, older = rival_of(r.prefix, database, now)
  if older or prefix ~= r.prefix then return 'held', CLAIM_MS end
  local first, doubt = objection(lease, r, workers)
  if renews and (not first or first == 'wait' or workers[first].oldest == 0 or workers[first].oldest >= r.from) then
    redis.call('HSET', lease_key, 'until', text(now + r.ttl), 'ttl', text(r.ttl))
    forget_gone(lease_key, workers, now)
    return 'renewed', r.ttl
  elseif first == 'wait' then
    return 'wait', 0
  elseif first then
    set_free(lease_key, r.prefix, first)
    return 'held', r.ttl
  end
  return grant(lease_key, lease, r, workers, next_to, doubt, now), r.ttl
end

-- A worker says what it holds, and asks for the lease.
-- in:  lease key; "acquire", "report", "release" or "leave", and a report (report_of)
-- out: { word, milliseconds that the lease lasts, total (" 1" behind it: something is set
--      aside), generation and secret, barrier of `settled`, number up to which is done what it holds oldest, the others that live }. The words:
--      held (by another, or not to be had now), wait (ask again soon), granted, renewed,
--      doubt (granted, but gaps have to be told first), done (what it holds oldest was
--      done: say it again), forgotten (that cannot be known any more), left
local function halley_lease(keys, args)
  local now = now_ms()
  local lease, r = lease_of(keys[1], now), report_of(args)
  if r.gen ~= lease.gen then -- what it stopped to hear was of another process
    r.broken, r.before, r.since = false, { 0, 0 }, { 0, 0 }
  end
  local barrier = text(r.oldest[1])
  local done = r.oldest[1] > 0 and done_behind(keys[1], barrier, lease.last_text) or 0
  local free = lease.owner == r.owner and not r.held or lease.ends <= now
  local word, left
  if r.oldest[1] > 0 and r.oldest[1] <= lease.forgotten and done == 0 then
    word, left = 'forgotten', 0
  elseif done >= r.oldest[2] and r.oldest[1] > 0 and (free or r.oldest[1] < lease.from) then
    word, left = 'done', 0
  end
  if not register(keys[1], lease, r, now, word ~= nil) then word, left = 'wait', 0 end
  if not word then word, left = judge(keys[1], lease, r, now) end
  local others = {}
  for owner, worker in pairs(workers_of(keys[1], lease, now)) do
    if owner ~= r.owner and worker.live then others[#others + 1] = owner end
  end
  local total = text(total_of(lease.last_text)) .. (lease.aside and ' 1' or '')
  return { word, left, total, known_to(keys[1], lease, r), text(lease.settled[1]), text(done), others }
end

local function holds(lease_key, owner, now)
  local lease = redis.call('HMGET', lease_key, 'owner', 'until')
  return lease[1] == owner and tonumber(lease[2] or 0) > now
end

-- All workers hear what none of them understands: who leads counts it, for all who ever led.
-- in:  lease key; who says so, how many more it dropped
-- out: how many were dropped since Redis has this count; or 0: somebody else leads
local function halley_dropped(keys, args)
  if not holds(keys[1], args[1], now_ms()) then return 0 end
  local count = keys[1] .. ':dropped'
  local all = (tonumber(redis.call('GET', count) or 0) or 0) + tonumber(args[2])
  redis.call('SET', count, text(all))
  return all
end

-- Gives a channel's next number to no message, so that each of its readers is told of a gap;
-- those who listen are told the id. `bare`: the stretch of the bare publish in whose place it is,
-- or up to which it is told.
local function make_hole(channel, told, now, bare)
  know_process(now)
  local prefix, database = known_prefix(told)
  local meta_key = key('meta', channel)
  local meta = redis.call('HMGET', meta_key, 'epoch', 'n', 'run')
  local epoch, n, began = tonumber(meta[1]), tonumber(meta[2])
  if not epoch or meta[3] ~= run then
    first_known()
    epoch, began = new_epoch(channel, epoch)
    n = 0
    redis.call('HSET', meta_key, 'epoch', text(epoch), 'run', run, 'born', text(began))
    redis.call('EXPIRE', meta_key, text(META_TTL))
    forget_bare(meta_key, bare)
  end
  redis.call('HSET', meta_key, 'n', text(n + 1))
  if bare then redis.call('HSET', meta_key, 'bare', bare) end
  given = id_of(epoch, n + 1)
  if prefix then
    announce(channel, id_of(epoch, n + 1), prefix, database, told, now)
  end
end

-- A bare publish takes its place in its channel: as a message, or as a gap where it has no
-- payload, or too long a one. Returns what halley_sequence does; what Redis says is raised.
local function take_place(channel, payload, o, now)
  local id, why = nil, nil
  if payload then
    id, why = append(channel, payload, o, now)
    if id then return id end
  end
  make_hole(channel, o.prefix, now, o.bare)
  return why and 'SKIPPED ' .. why or 'GAP'
end

-- The same; nil and why where Redis does not let it.
local function try_place(channel, payload, o, now)
  given = nil
  local ok, result = pcall(take_place, channel, payload, o, now)
  if ok then return result end
  local why = type(result) == 'table' and result.err or tostring(result)
  if given then return 'SKIPPED ' .. why end -- it has its place, and could not be told
  return nil, why
end

local function aside_of(words)
  local count, bytes, full = string.match(words or '', '^(%d+) (%d+) ?(%d?)')
  return tonumber(count) or 0, tonumber(bytes) or 0, full == '1'
end

-- So many more, or less, are set aside of all.
local function count_aside(lease_key, items, bytes)
  local count, size = aside_of(redis.call('HGET', lease_key, 'aside'))
  if count + items <= 0 then
    redis.call('HDEL', lease_key, 'aside')
  else
    redis.call('HSET', lease_key, 'aside', text(count + items) .. ' ' .. text(size + bytes))
  end
end

-- Keeps a bare publish behind those of its channel that are kept already. Where there is no
-- room a gap is kept in its place, which stands for all that follow it.
local function set_aside(lease_key, channel, payload, o, why)
  local aside, list = lease_key .. ':aside', lease_key .. ':aside:' .. channel
  local count, bytes, full = aside_of(redis.call('HGET', aside, channel))
  local all_count, all_bytes = aside_of(redis.call('HGET', lease_key, 'aside'))
  local size = payload and #payload or 0
  if not full and count < ASIDE_ITEMS and bytes + size <= ASIDE_BYTES
    and all_count < ASIDE_ITEMS_MAX and all_bytes + size <= ASIDE_BYTES_MAX then
    redis.call('RPUSH', list, payload and o.name .. ' ' .. payload or o.name)
  elseif full or (count == 0 and redis.call('HLEN', aside) >= ASIDE_CHANNELS) then
    return 'SKIPPED no room to set it aside: ' .. why
  else
    size, full = 0, true
    redis.call('RPUSH', list, o.name)
  end
  redis.call('HSET', aside, channel, text(count + 1) .. ' ' .. text(bytes + size) .. (full and ' 1' or ' 0')
    .. ' ' .. text(o.history) .. ' ' .. text(o.ttl) .. ' ' .. text(o.max_message) .. ' ' .. text(o.meta_ttl))
  count_aside(lease_key, 1, size)
  redis.call('EXPIRE', aside, text(META_TTL))
  redis.call('EXPIRE', list, text(META_TTL))
  return (full and 'SKIPPED no room to set it aside: ' or 'ASIDE ') .. why
end

-- Tells a gap to the readers of a channel: behind what is set aside of it, if something is.
local function tell_gap(lease_key, channel, told, now, bare)
  local words, why = redis.call('HGET', lease_key .. ':aside', channel), 'it waits behind others'
  if not words then
    local ok, result = pcall(make_hole, channel, told, now, bare)
    if ok then return end
    why = type(result) == 'table' and result.err or tostring(result)
  end
  local policy = { string.match(words or '', ' %d (%d+) (%d+) (%d+) (%d+)$') }
  pcall(set_aside, lease_key, channel, nil, { name = (bare or '0') .. ' 0', history = policy[1] or HISTORY,
    ttl = policy[2] or TTL, max_message = policy[3] or MAX_MESSAGE, meta_ttl = policy[4] or META_TTL }, why)
end

-- Tries what is set aside of a channel, at most so much. Returns how many found their place,
-- their bytes, and what Redis said where it did not let the next.
local function try_aside(lease_key, channel, prefix, most, now)
  local aside, list = lease_key .. ':aside', lease_key .. ':aside:' .. channel
  local words = redis.call('HGET', aside, channel)
  local policy = { string.match(words, ' %d (%d+) (%d+) (%d+) (%d+)$') }
  local done, bytes, why = 0, 0, nil
  while done < most and bytes < ASIDE_CHUNK_BYTES and not why do
    local item = redis.call('LINDEX', list, 0)
    if not item then break end
    local stretch, number, payload = string.match(item, '^([%d.]+) (%d+) ?(.*)$')
    local size = #item - #stretch - #number - 2
    local placed
    placed, why = try_place(channel, size >= 0 and payload or nil, { history = tonumber(policy[1]),
      ttl = tonumber(policy[2]), max_message = tonumber(policy[3]), meta_ttl = tonumber(policy[4]),
      prefix = prefix, remember = true, bare = stretch ~= '0' and stretch or nil, lease = lease_key }, now)
    if placed then
      redis.call('LPOP', list)
      done, bytes = done + 1, bytes + math.max(size, 0)
    end
  end
  local count, size, full = aside_of(words)
  if redis.call('LLEN', list) == 0 then
    redis.call('HDEL', aside, channel)
    count_aside(lease_key, -count, -size)
  elseif done > 0 then
    redis.call('HSET', aside, channel, text(count - done) .. ' ' .. text(size - bytes) .. (full and ' 1 ' or ' 0 ')
      .. table.concat(policy, ' '))
    count_aside(lease_key, -done, -bytes)
  end
  return done, bytes, why
end

-- Tries again what was set aside, so many at a time.
-- in:  lease key; owner, prefix
-- out: how many found their place, how many are left, and what Redis says of one of them
local function halley_aside(keys, args)
  local now = now_ms()
  if not holds(keys[1], args[1], now) then return redis.error_reply('LEASE is not held by ' .. args[1]) end
  local done, bytes, said = 0, 0, ''
  for _, channel in ipairs(redis.call('HRANDFIELD', keys[1] .. ':aside', ASIDE_CHUNK)) do
    local more, size, why = try_aside(keys[1], channel, args[2], ASIDE_CHUNK - done, now)
    done, bytes, said = done + more, bytes + size, why or said
    if done >= ASIDE_CHUNK or bytes >= ASIDE_CHUNK_BYTES then break end
  end
  if redis.call('HLEN', keys[1] .. ':aside') == 0 then redis.call('HDEL', keys[1], 'aside') end
  return { done, (aside_of(redis.call('HGET', keys[1], 'aside'))), said }
end

-- Places a bare publish in one of its channels: behind those of it that wait, if some do.
local function place(lease_key, waiting, channel, payload, o, now)
  local placed, why = nil, 'it waits behind others'
  if not waiting or redis.call('HEXISTS', lease_key .. ':aside', channel) == 0 then
    placed, why = try_place(channel, payload, o, now)
  end
  if not placed then
    local ok, result = pcall(set_aside, lease_key, channel, payload, o, why)
    placed = ok and result or 'SKIPPED ' .. why
  end
  return placed
end

local function remember(lease_key, channel, now)
  local channels = lease_key .. ':channels'
  redis.call('ZADD', channels, text(now), channel)
  redis.call('ZREMRANGEBYSCORE', channels, '-inf', text(now - META_TTL * 1000))
  redis.call('ZREMRANGEBYRANK', channels, 0, -CHANNELS - 1)
end

-- The same payload in more channels. A line for each: 1 if it is to be remembered, history, ttl,
-- max_message, channel. Returns the first answer that tells of trouble, or that of the first.
local function place_more(lease_key, waiting, lines, payload, o, answer, now)
  for mark, history, ttl, most, channel in string.gmatch(lines, '(%d) (%d+) (%d+) (%d+) ([^\n]+)\n') do
    o.history, o.ttl, o.max_message = tonumber(history), tonumber(ttl), tonumber(most)
    local placed = place(lease_key, waiting, channel, payload, o, now)
    if string.find(placed, '^%u') and not string.find(answer, '^%u') then answer = placed end
    if mark == '1' then remember(lease_key, channel, now) end
  end
  return answer
end

-- One bare publish becomes history. Only the holder of the lease may, and each call names
-- the one before it, so that nothing is passed over where that failed.
-- in:  lease key; owner, name before ("barrier number"), barrier, number, payload,
--      1 if the channel is to be remembered, history, ttl, max_message, meta_ttl, prefix,
--      generation where the others are to be told ('': not now), channel, 1 if a gap is told
--      in its place, more channels that it goes to (place_more); older workers have the channel
--      as another key, in front of the lease
-- out: the message's id; "GAP"; "DONE" where that was done before; "SKIPPED why" for what
--      cannot be kept, so that a gap is told; "ASIDE why" for what waits; or the errors
--      "LEASE ..." and "ORDER ..."
local function halley_sequence(keys, args)
  local now = now_ms()
  local channel, lease_key = keys[2] and keys[1] or args[13], keys[2] or keys[1]
  local lease = redis.call('HMGET', lease_key, 'owner', 'until', 'last', 'aside', 'leap')
  if lease[1] ~= args[1] or tonumber(lease[2]) <= now then
    return redis.error_reply('LEASE is not held by ' .. args[1])
  end
  local before, total, done = string.match(lease[3] or '', '^(%d+ %d+) (%d+) (%d+)')
  if before ~= args[2] then
    return redis.error_reply('ORDER expects what follows ' .. tostring(before))
  end
  if string.find(before, args[3] .. ' ', 1, true) ~= 1 then
    keep_last(lease_key, lease[3])
    done = redis.call('HGET', lease_key, 'done:' .. args[3]) or '0'
  end
  local name = args[3] .. ' ' .. args[4]
  if tonumber(done) >= tonumber(args[4]) then
    redis.call('HSET', lease_key, 'last', name .. ' ' .. total .. ' ' .. done)
    return 'DONE'
  end
  local prefix = args[11] or known_prefix()
  if not prefix then return fail(UNKNOWN_PREFIX) end
  local stretch = stretch_of(args[3], lease[5])
  local o = { history = tonumber(args[7]), ttl = tonumber(args[8]), max_message = tonumber(args[9]),
    meta_ttl = tonumber(args[10]), prefix = prefix, remember = true, bare = stretch,
    name = stretch .. ' ' .. args[4], lease = lease_key }
  local payload = args[14] ~= '1' and args[5] or nil
  local placed = place(lease_key, lease[4], channel, payload, o, now)
  if args[15] then placed = place_more(lease_key, lease[4], args[15], payload, o, placed, now) end
  redis.call('HSET', lease_key, 'last', name .. ' ' .. text(total + 1) .. ' ' .. done)
  if args[6] == '1' then remember(lease_key, channel, now) end
  if args[12] ~= '' then
    tell_surely(prefix, redis.call('HGET', lease_key, 'secret') or '', 'done ' .. args[12] .. ' ' .. name)
  end
  return placed
end

-- Tells a gap to the readers of channels that had bare publishes, some of them at a time.
-- in:  lease key; owner, prefix
-- out: how many channels were told so far, and whether there are more (0 or 1)
local function halley_doubt(keys, args)
  local now = now_ms()
  local lease = lease_of(keys[1], now)
  if not holds(keys[1], args[1], now) then return redis.error_reply('LEASE is not held by ' .. args[1]) end
  local told = tonumber(lease.doubt or 0)
  local channels = redis.call('ZREVRANGE', keys[1] .. ':channels', told, told + DOUBT_CHUNK - 1)
  for _, channel in ipairs(channels) do tell_gap(keys[1], channel, args[2], now, text(lease.from)) end
  told = told + #channels
  if #channels == DOUBT_CHUNK then
    redis.call('HSET', keys[1], 'doubt', text(told))
    return { told, 1 }
  end
  redis.call('HDEL', keys[1], 'doubt')
  redis.call('HSET', keys[1], 'doubted', text(lease.from))
  set_settled(keys[1], lease, name_of(lease.from, 0))
  return { told, 0 }
end

-- Tells a gap to the readers of one channel.
-- in:  channel; prefix, lease key
local function halley_gap(keys, args)
  local bad = bad_channel(keys[1])
  if bad then return fail(bad) end
  tell_gap(args[2] or '', keys[1], args[1], now_ms())
  return 'OK'
end

local function halley_version()
  return VERSION
end

redis.register_function { function_name = 'halley_health', callback = halley_health }
redis.register_function { function_name = 'halley_publish', callback = halley_publish }
redis.register_function { function_name = 'halley_post', callback = halley_post }
redis.register_function { function_name = 'halley_rate', callback = halley_rate }
redis.register_function { function_name = 'halley_report', callback = halley_report }
redis.register_function { function_name = 'halley_reports', callback = halley_reports }
redis.register_function { function_name = 'halley_revoke', callback = halley_revoke, flags = { 'allow-oom' } }
redis.register_function { function_name = 'halley_revoked', callback = halley_revoked, flags = { 'no-writes' } }
redis.register_function { function_name = 'halley_tally', callback = halley_tally }
redis.register_function { function_name = 'halley_read', callback = halley_read, flags = { 'no-writes' } }
redis.register_function { function_name = 'halley_channels', callback = halley_channels, flags = { 'no-writes' } }
-- A full Redis takes no messages; but a worker that could not join would listen without a name.
redis.register_function { function_name = 'halley_join', callback = halley_join, flags = { 'allow-oom' } }
redis.register_function { function_name = 'halley_lease', callback = halley_lease, flags = { 'allow-oom' } }
redis.register_function { function_name = 'halley_sequence', callback = halley_sequence }
redis.register_function { function_name = 'halley_aside', callback = halley_aside }
redis.register_function { function_name = 'halley_dropped', callback = halley_dropped }
redis.register_function { function_name = 'halley_doubt', callback = halley_doubt }
redis.register_function { function_name = 'halley_gap', callback = halley_gap }
redis.register_function { function_name = 'halley_installation', callback = halley_installation, flags = { 'no-writes' } }
redis.register_function { function_name = 'halley_install', callback = halley_install }
redis.register_function { function_name = 'halley_serve', callback = halley_serve }
redis.register_function { function_name = 'halley_serving', callback = halley_serving, flags = { 'no-writes' } }
redis.register_function { function_name = 'halley_version', callback = halley_version, flags = { 'no-writes' } }
