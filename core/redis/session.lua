#!lua name=halley_session
--
-- Sessions of polling clients inside Redis: what of them must happen at once.
-- Who calls it, and what each word means: core/redis/session.h.
--
-- Of each session there is, under one hash tag (sid: 32 hexadecimal digits):
--
--   halley.session:{sid}       string; MessagePack, a map of the fields below. One packed string:
--                              a hash with the same fields costs as much with one channel and
--                              twice as much with five, and a command more in each call
--   halley.session.out:{sid}   list; its own frames that are not confirmed, only while there are any
--
-- beside them, for how many there are (see there),
--
--   halley.sessions            number; the count that this database's sessions belong to
--
-- and of each process
--
--   <prefix>.process:<process> pub/sub: "wake <n>", "over <n>", "copy <n>" (over, by the same request
--                              again), "there <n>" (asks nothing but whether somebody hears it),
--                              "back <n>" (write down what is only in memory, and let go)
--
-- The fields:
--   d      dialect and service
--   v      version of what an answer is rendered from: state, and which positions there are
--   s      the protocol's state; absent: ''
--   h      who holds a request for it, "<process>.<n>"; absent: nobody
--   m, k   its holder has its positions in memory, and says what they are by session_write; the positions
--          that its answers are numbered from, where they are, else '', and that number
--   km     such positions and numbers of holders that are gone, {k, m} each, the oldest first
--   p      positions that the client is known to have (a cursor, core/data/cursor.h); absent: ''
--   q, f   positions, and number of frames, of the last answer; absent once that is confirmed
--   b, a   number of the last answer that carried something, and the client's id for its request
--   r      the last answer is being given again, as it was
--   l      answers that were taken for lost and given again, {b, q, f} each, the oldest first: the client
--          may say later that it has one of them
--   e      the client's ids of the requests before the last, the newest first
--   i, j   its id of the last request, and whether that attached: it was not only told of
--   n, w   number and bytes of its frames in the list
--   c, o   why it is closed; whether only one is told
--   g, t   the count that it is in, and the tick of the clock at which it ends there
--   u      who its client is by a token (core/redis/session.h); absent: nobody that Redis knows of
--   y, z   when that ends (milliseconds), and why the session is closed then
--   x      when its next ping is due (milliseconds); 0: one was sent, and its pong is awaited
--
-- Deadlines are the keys' own: Redis compares them by its clock, to the millisecond. While a pong
-- is awaited no call makes a session live longer.
--
-- To change it: raise VERSION (tests/lint/library-version --update), and SERVES where older programs
-- cannot go on with it (core/redis/halley.lua).

local VERSION = 11
local SERVES = 9 -- the lowest number of a text whose programs can work with this one
local DIGEST = '' -- of this text, which the build puts in here (Makefile)

-- The words of core/redis/session.c, by their place there.
local HELD, OPENED, OK, EXISTS, GONE, CLOSED, BUSY, LOST, CHANGED, CONFLICT, FULL, FOREIGN, KEPT = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12

-- What a call uses often. Each name that is not the library's own is looked up through two tables
-- whenever it is used, and while the library is loaded there are none: the first call takes them.
local call, pack, unpack_map, max, ceil
local function take_names()
  call, pack, unpack_map = redis.call, cmsgpack.pack, cmsgpack.unpack
  max, ceil = math.max, math.ceil
end

-- The key that names the count of sessions (see there) ends at this moment, in 2100. How far away that
-- is tells the time, and costs half of what TIME does, which answers with two texts.
local MARK = 'halley.sessions'
local MARK_ENDS = 4102444800000

local function now_ms()
  local left = call('PTTL', MARK)
  if left > 0 then return MARK_ENDS - left end
  local time = call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function key(sid) return 'halley.session:{' .. sid .. '}' end
local function out(sid) return 'halley.session.out:{' .. sid .. '}' end

-- ------------------------------------------------------------------- how many there are

-- Sessions end by their keys' expiry, which nobody is told. So each that is made, or whose end is
-- moved, says here until when it lasts: a count is how many there are now, and by how many it changes
-- at later ticks of the clock. It lives in the library, in one Redis, and costs no key for each session.
-- Where Redis began anew, or the database was emptied, the count is another one, and a session is in
-- it again as soon as it is used.

local TICK = 100 -- milliseconds
local EPOCH = 17000000000 -- ticks, in 2023: numbers behind it take four bytes
local COUNTS = 16 -- databases, and those that were emptied
local counts, known = {}, 0

local function tick_of(ms) return ceil(ms / TICK) - EPOCH end

local function count_add(count, tick, number)
  if tick <= count.at then
    count.now = count.now + number
  else
    local change = (count.later[tick] or 0) + number
    count.later[tick] = change ~= 0 and change or nil
  end
end

local function count_on(count, tick)
  if tick - count.at > 3000 then
    for at, number in pairs(count.later) do
      if at <= tick then
        count.now, count.later[at] = count.now + number, nil
      end
    end
    count.at = tick
  end
  while count.at < tick do
    count.at = count.at + 1
    local number = count.later[count.at]
    if number then
      count.now, count.later[count.at] = count.now + number, nil
    end
  end
end

-- The count of this database, and its name.
local function count_here(now)
  local last = tonumber(call('GET', MARK) or nil)
  if last and counts[last] then return counts[last], last end
  local name = now % 60000
  while counts[name] or name == last do name = name + 1 end
  if known == COUNTS then counts, known = {}, 0 end
  counts[name], known = { at = tick_of(now) - 1, now = 0, later = {} }, known + 1
  call('SET', MARK, name, 'PXAT', MARK_ENDS)
  return counts[name], name
end

-- The session lasts until `tick`.
local function count_until(s, now, tick)
  local count = s.g and counts[s.g]
  if count and s.t == tick then return end
  if count then
    count_on(count, tick_of(now) - 1)
    count_add(count, s.t, 1)
  else
    count, s.g = count_here(now)
    count_on(count, tick_of(now) - 1)
    count.now = count.now + 1
  end
  count_add(count, tick, -1)
  s.t = tick
end

local function how_many()
  local now = now_ms()
  local count = count_here(now)
  count_on(count, tick_of(now) - 1)
  return max(0, count.now)
end

local function is_full(most)
  return most > 0 and how_many() >= most
end

-- in:  halley.sessions
-- out: OK sessions
local function session_count()
  return { OK, how_many() }
end

-- ---------------------------------------------------------------------------- keeping one

local function shut(s, reason, once)
  s.c, s.o, s.v, s.p, s.q, s.x, s.l, s.km = reason, once or nil, s.v + 1, nil, nil, nil, nil, nil
end

-- What a token opened is closed when that ends, whoever comes then: true behind it says that it was
-- just now.
local function read(sid)
  local held = call('GET', key(sid))
  local s = held and unpack_map(held)
  if s and s.y and not s.c and now_ms() >= s.y then
    shut(s, s.z)
    return s, true
  end
  return s
end

local function forget(sid, s)
  call('DEL', key(sid))
  if s.n then call('DEL', out(sid)) end
  if s.t then
    local now = now_ms()
    count_until(s, now, tick_of(now) - 1)
  end
end

-- A time-out as text. It is mostly the one before, and to make a text of a number costs as much
-- as a command does.
local last_time, last_text = 0, '0'
local function text_of(time)
  if time ~= last_time then last_time, last_text = time, string.format('%d', time) end
  return last_text
end

-- The frames outlive their session by a moment, never the other way.
local function save_frames(sid)
  call('PEXPIRE', out(sid), call('PTTL', key(sid)) + 1000)
end

-- `ttl` milliseconds from now it is gone, and in the last of them it is there: Redis keeps a key
-- through the millisecond that it is told.
local function save_until(sid, s, now, ttl)
  count_until(s, now, tick_of(now + ttl))
  call('PSETEX', key(sid), text_of(max(ttl - 1, 1)), pack(s))
  if s.n then save_frames(sid) end
end

-- The same; 0, or a pong that is awaited: the time-out stays. Returns what time it is where that
-- had to be known; `now` where it is known already.
local function save(sid, s, ttl, now)
  if ttl ~= 0 and s.x ~= 0 then
    now = now or now_ms()
    save_until(sid, s, now, ttl)
    return now
  end
  call('SET', key(sid), pack(s), 'KEEPTTL')
  if s.n then save_frames(sid) end
end

-- Tells the process of whoever holds the session. Where nobody hears it that process is dead, and
-- nobody holds the session.
local function tell(s, prefix, word)
  local process, number = string.match(s.h, '^(.*)%.(%d+)$')
  if call('PUBLISH', prefix .. '.process:' .. process, word .. ' ' .. number) > 0 then return true end
  s.h = nil
  return false
end

-- -------------------------------------------------------------------- what is there

-- How many frames the next answer goes on behind: those that were sent, confirmed or not.
local function sent(s) return not s.r and s.f or 0 end

-- Whether it is closed and its frames are out.
local function is_over(s) return s.c and (s.n or 0) <= sent(s) end

-- Tells that it is closed.
local function say_closed(sid, s)
  if s.o then forget(sid, s) end
  return { CLOSED, s.c }
end

-- `now` where it is known already.
local function due(s, now)
  if not s.x or s.x == 0 or s.c then return -1 end
  return max(0, s.x - (now or now_ms()))
end

local NO_FRAMES = {}

-- What an answer is rendered from. nil: its frames are gone (evicted), and it is of no use.
local function view(sid, s, status, again, now)
  local frames, n = false, s.n -- an empty list would cost as much as all the other items
  if n and n > sent(s) then
    frames = call('LRANGE', out(sid), sent(s), -1)
    if #frames ~= n - sent(s) then return nil end
    if s.r then
      for i = #frames, (s.f or 0) + 1, -1 do frames[i] = nil end
    end
  end
  local seen = { status, s.v, s.d, s.s or '', not s.r and s.q or s.p or '', s.b or 0, due(s, now), (again or s.r) and 1 or 0, n or 0,
    s.w or 0, frames, s.c or false, s.r and (s.q or s.p or '') or nil }
  if s.u then seen[13], seen[14], seen[15] = seen[13] or false, s.u, s.y or 0 end
  return seen
end

local function view_or_gone(sid, s, status, again, now)
  local seen = view(sid, s, status, again, now)
  if seen then return seen end
  forget(sid, s)
  return { GONE }
end

-- ------------------------------------------------------------------ who its client is

local function user_of(who) return string.match(who, '^%Z*') end

-- Says anew who its client is, with when that ends (0: never), and why it is closed then; no words, or
-- '', leave it, and with `later` what does not end later. False: the session is another user's.
local function speak(s, who, ends, reason, later)
  if not who or who == '' then return true end
  if s.u and user_of(s.u) ~= user_of(who) then return false end
  ends = tonumber(ends)
  if later and s.y and ends <= s.y then return true end
  s.u, s.y, s.z = who, ends > 0 and ends or nil, ends > 0 and reason or nil
  return true
end

-- in:  sid; prefix, who, when that ends or 0, why it is closed then
-- out: OK holder, FOREIGN, GONE, CLOSED reason
local function session_renew(keys, args)
  local sid = keys[1]
  local s = read(sid)
  if not s then return { GONE } end
  if s.c then return { CLOSED, s.c } end
  if not speak(s, args[2], args[3], args[4]) then return { FOREIGN } end
  local told = s.h and tell(s, args[1], 'wake')
  save(sid, s, 0)
  return { OK, told and 1 or 0 }
end

-- ----------------------------------------------------------------------------- birth

-- in: dialect, state, cursor, milliseconds until its first ping or 0
local function make(sid, dialect, state, cursor, pulse)
  call('DEL', out(sid))
  pulse = tonumber(pulse)
  return { d = dialect, v = 1, s = state ~= '' and state or nil, p = cursor ~= '' and cursor or nil,
    x = pulse > 0 and now_ms() + pulse or nil }
end

-- in:  sid; ttl, dialect, state, cursor, pulse, most sessions or 0; as of speak(): who, ends, reason
-- out: OPENED, EXISTS, FULL
local function session_open(keys, args)
  local sid = keys[1]
  if call('EXISTS', key(sid)) == 1 then return { EXISTS } end
  if is_full(tonumber(args[6] or 0)) then return { FULL } end
  local s = make(sid, args[2], args[3], args[4], args[5])
  speak(s, args[7], args[8], args[9])
  save(sid, s, tonumber(args[1]))
  return { OPENED }
end

-- --------------------------------------------------------------------------- attaching

-- Takes so many frames, which have arrived, out of the list.
local function drop_frames(sid, s, count)
  local bytes = s.w
  for _, frame in ipairs(call('LPOP', out(sid), count) or NO_FRAMES) do bytes = bytes - #frame end
  if s.n <= count then
    s.n, s.w = nil, nil
  else
    s.n, s.w = s.n - count, bytes
  end
end

local function arrived(sid, s, q, f)
  s.p = q or s.p
  if f then drop_frames(sid, s, f) end
end

local LOST_ANSWERS = 8

-- The client has the answers up to this number: of those that are not confirmed it is the last of
-- these. A request that was stuck and came late with an older number may have made the last answer be
-- given again, to nobody; so answers that were taken for lost are remembered. Returns whether the last
-- one is taken for lost.
local function acknowledge(sid, s, number)
  local answers = s.l or {}
  if s.q or s.f then answers[#answers + 1] = { b = s.b, q = s.q, f = s.f } end
  local has, left = nil, {}
  for _, answer in ipairs(answers) do
    if answer.b > number then
      left[#left + 1] = answer
    elseif not has or answer.b >= has.b then
      has = answer
    end
  end
  if has then
    arrived(sid, s, has.q, has.f)
    for _, answer in ipairs(left) do answer.f = answer.f and max(0, answer.f - (has.f or 0)) end
  end
  if #left > LOST_ANSWERS then table.remove(left, 1) end
  s.l, s.q, s.f = left[1] and left or nil, nil, nil
  return left[1] ~= nil and left[#left].b == s.b
end

-- What became of the last answer. Returns whether it is to be given again.
local function settle(sid, s, confirm, what)
  local flying, lost = s.q or s.f, false
  s.r = nil
  if confirm == 'ack' then
    local number = tonumber(what)
    if s.l or (flying and number < s.b) then return acknowledge(sid, s, number) end
  elseif confirm == 'id' then
    lost = flying and what == s.a
  end
  if lost then
    s.r = true
  elseif flying then
    arrived(sid, s, s.q, s.f)
    s.q, s.f = nil, nil
  end
  return lost
end

local IDS = 16 -- that are remembered: a request that is stuck for longer than so many others is taken for new

local function note_request(s, id)
  if id == s.i then return end
  if s.i then
    s.e = s.e or {}
    table.insert(s.e, 1, s.i)
    s.e[IDS] = nil
  end
  s.i = id
end

-- Whether a newer request than the one with this id was here already; it was stuck somewhere. Its
-- client does not wait for it any more.
local function is_stale(s, id)
  if id == '' or id == s.i then return false end
  for _, earlier in ipairs(s.e or NO_FRAMES) do
    if earlier == id then return true end
  end
  note_request(s, id)
  return false
end

-- Answers of a holder that kept the positions in memory, and had not written them down when it died or was
-- passed over: by their numbers alone it is known how far each went. The number of one is that of the last
-- that was written, and above it, with so many bits for each of the channels, how many messages each was
-- behind the positions that were written then (fcgi-app/carriers/bayeux/kept.c). The client says later, or
-- never, whether it has one; so whoever numbers from here on begins above all that there may have been.
local NUMBERED = 24 -- bits
local NUMBERS = 2 ^ NUMBERED

-- The positions `ahead` of these, of the channels that the session has now.
local function went_on(s, written, ahead)
  local names, places = {}, {}
  for name, epoch, n in string.gmatch(written, '([^@,]+)@(%d+)%-(%d+)') do names[#names + 1] = { name, epoch, n } end
  local most = 2 ^ math.floor(NUMBERED / #names)
  for _, place in ipairs(names) do
    places[place[1]] = string.format('%s-%.0f', place[2], place[3] + ahead % most)
    ahead = math.floor(ahead / most)
  end
  return (string.gsub(s.p or '', '([^@,]+)@[^,]+', function(name)
    return places[name] and name .. '@' .. places[name]
  end))
end

-- What the holder of before may have numbered is remembered; and the answer that has this number put to
-- those that were taken for lost, if it was one of such.
local function find_unwritten(s, number)
  local unwritten, left = s.km or {}, {}
  if s.m and s.m ~= '' then unwritten[#unwritten + 1] = { s.k, s.m } end
  for i, from in ipairs(unwritten) do
    local later = unwritten[i + 1]
    if number > from[1] and number < from[1] + NUMBERS and not (later and number > later[1]) then
      s.l = s.l or {}
      table.insert(s.l, 1, { b = number, q = went_on(s, from[2], number - from[1]) })
    end
    if number < from[1] + NUMBERS then left[#left + 1] = from end
  end
  if #left > LOST_ANSWERS then table.remove(left, 1) end
  s.km = left[1] and left or nil
end

-- Behind what is told of the last answer.
local function skip_unwritten(s)
  if s.km then s.b = max(s.b or 0, s.km[#s.km][1] + NUMBERS) end
end

local UNPOLLED = 10000 -- milliseconds that a session lives that was opened and never polled

local CONFIRMS = { next = true, id = true, late = true, ack = true }

-- Policies: newest, first, both; gentle: as newest, but what its holder has in memory is waited for; keeps:
-- the same, and whoever asks is going to keep it in memory himself.
-- Confirm as late: as id, of a request that was told KEPT before; where the same one has attached meanwhile,
-- its client may wait for that.
-- in:  sid; "<process>.<n>", prefix, policy, ttl, confirm, its id or number, reason; where it may be
--      made also: hold or loose ('' where it may not be), dialect, state, cursor, pulse, most sessions or
--      0; as of speak(): who, ends, reason
-- out: HELD or OPENED with a view, GONE, CLOSED reason, BUSY, LOST (a newer request was here), FULL,
--      FOREIGN, KEPT (its holder has it in memory, and has been asked for it)
local function session_attach(keys, args)
  local sid, token, prefix, policy, ttl = keys[1], args[1], args[2], args[3], tonumber(args[4])
  if not CONFIRMS[args[5]] then return redis.error_reply('ERR confirm: next, id, late or ack') end
  local late = args[5] == 'late'
  if late then args[5] = 'id' end
  local s, status = read(sid), HELD
  if not s then
    if not args[8] or args[8] == '' then return { GONE } end
    if is_full(tonumber(args[13] or 0)) then return { FULL } end
    s, status = make(sid, args[9], args[10], args[11], args[12]), OPENED
  end
  if not s.c and not speak(s, args[14], args[15], args[16], true) then return { FOREIGN } end
  local copy = args[5] == 'id' and args[6] ~= '' and args[6] == s.i
  if late and copy and s.j then return { LOST } end
  if args[5] == 'id' and is_stale(s, args[6]) then return { LOST } end
  local asks = policy == 'gentle' or policy == 'keeps'
  if s.m and asks and s.h and s.h ~= token and not is_over(s) and tell(s, prefix, 'back') then return { KEPT } end
  if s.h and s.h ~= token and not is_over(s) and
    tell(s, prefix, policy == 'first' and 'there' or copy and 'copy' or 'over') then
    if policy == 'first' then return { BUSY } end
    if policy == 'both' and not s.c then
      shut(s, args[7])
      s.h = nil
      save(sid, s, ttl)
      return { CLOSED, s.c }
    end
  end
  s.j = args[5] == 'id' or nil
  if args[5] == 'ack' and (s.m or s.km) then find_unwritten(s, tonumber(args[6])) end
  local again = settle(sid, s, args[5], args[6])
  skip_unwritten(s)
  again = again or s.l ~= nil or s.km ~= nil
  if is_over(s) then return say_closed(sid, s) end
  local loose = status == OPENED and args[8] == 'loose'
  s.h, s.m = not loose and token or nil, policy == 'keeps' and not again and '' or nil
  s.k = nil
  local now = save(sid, s, s.c and 0 or loose and math.min(ttl, UNPOLLED) or ttl)
  return view_or_gone(sid, s, status, again, now)
end

-- in:  sid; "<process>.<n>"
-- out: HELD with a view, LOST, GONE, CLOSED reason
local function session_look(keys, args)
  local sid = keys[1]
  local s = read(sid)
  if not s then return { GONE } end
  if s.h ~= args[1] then return { LOST } end
  if is_over(s) then return say_closed(sid, s) end
  return view_or_gone(sid, s, HELD)
end

-- --------------------------------------------------------------------------- answering

-- Why the session that this request holds, as it is in this version, cannot be answered; nil: it can.
local function unanswerable(sid, s, token, version)
  if not s then return { GONE } end
  if s.h ~= token then return { LOST } end
  if s.v ~= tonumber(version) then
    if is_over(s) then return say_closed(sid, s) end
    return view_or_gone(sid, s, CHANGED)
  end
end

-- in:  sid; "<process>.<n>", version, ttl, frames, keep or done, milliseconds until its pong must
--      be there or 0, the request's id or '', cursor ('' stays)
-- out: OK batch, CHANGED with a view, LOST, GONE, CLOSED reason
local function session_answer(keys, args)
  local sid, frames, pong = keys[1], tonumber(args[4]), tonumber(args[6])
  local s = read(sid)
  local why_not = unanswerable(sid, s, args[1], args[2])
  if why_not then return why_not end
  if frames > (s.n or 0) - sent(s) then return redis.error_reply('ERR frames: there are not so many') end
  if s.r then
    s.r = nil -- what it was is marked already
  elseif frames > 0 or args[8] ~= '' then
    s.b = (s.b or 0) + 1
    s.a = args[7] ~= '' and args[7] or nil
    if frames > 0 then s.f = sent(s) + frames end
    if args[8] ~= '' then s.q = args[8] end
  end
  if args[5] ~= 'keep' then s.h, s.m = nil, nil end
  if pong > 0 and not s.c then
    s.x = 0
    save_until(sid, s, now_ms(), pong)
  else
    save(sid, s, s.c and 0 or tonumber(args[3]))
  end
  return { OK, s.b or 0 }
end

-- The same for several whose requests end, whose answers have none of their frames, no ping and no
-- id: a message for many costs two thirds of as many calls.
-- in:  sids; ttl, cursor, and of each "<process>.<n>", version
-- out: for each its batch, or what halley_session_answer says instead
local function session_answers(keys, args)
  local ttl, cursor, now, said = tonumber(args[1]), args[2], now_ms(), {}
  for i = 1, #keys do
    local sid = keys[i]
    local s = read(sid)
    local why_not = unanswerable(sid, s, args[2 * i + 1], args[2 * i + 2])
    if why_not then
      said[i] = why_not
    else
      if s.r then
        s.r = nil -- what it was is marked already
      else
        s.b, s.a, s.q = (s.b or 0) + 1, nil, cursor
      end
      s.h, s.m = nil, nil
      save(sid, s, s.c and 0 or ttl, now)
      said[i] = s.b or 0
    end
  end
  return said
end

-- What a holder had in memory: where its client stands by now. It keeps it there, or only holds the
-- session from now on, or is done.
-- in:  sid; "<process>.<n>", version, ttl, keep, hold or done, numbered or plain, positions that the client
--      has, those behind the last answer or '', its number, the client's id for its request or '';
--      the client's ids of the requests that came meanwhile, the oldest first
-- out: OK batch, CHANGED with a view, LOST, GONE, CLOSED reason
local function session_write(keys, args)
  local sid = keys[1]
  local s = read(sid)
  local why_not = unanswerable(sid, s, args[1], args[2])
  if why_not then return why_not end
  s.p, s.q = args[6] ~= '' and args[6] or nil, args[7] ~= '' and args[7] or nil
  s.b, s.a, s.r, s.l = tonumber(args[8]), args[9] ~= '' and args[9] or nil, nil, nil
  if args[4] == 'keep' then
    s.m, s.k = args[5] == 'numbered' and (s.q or s.p) or '', s.b
  else
    s.h, s.m, s.k = args[4] == 'hold' and s.h or nil, nil, nil
  end
  for i = 10, #args do
    note_request(s, args[i])
    s.j = nil
  end
  save(sid, s, s.c and 0 or tonumber(args[3]))
  return { OK, s.b }
end

-- in:  sid; "<process>.<n>", ttl (0 stays)
-- out: OK, LOST, GONE
local function session_release(keys, args)
  local sid = keys[1]
  local s = read(sid)
  if not s then return { GONE } end
  if s.h ~= args[1] then return { LOST } end
  s.h, s.m = nil, nil
  save(sid, s, s.c and 0 or tonumber(args[2]))
  return { OK }
end

-- ---------------------------------------------------------------------------- changing

-- The names of a cursor's channels, as they stand in it.
local function names_of(cursor)
  local names = {}
  for name in string.gmatch(cursor, '([^@,]+)@') do names[name] = true end
  return names
end

-- A cursor without these channels, and with `add` behind it.
local function replaced(cursor, names, add)
  local kept = {}
  for name, position in string.gmatch(cursor or '', '([^@,]+)@([^,]+)') do
    if not names[name] then kept[#kept + 1] = name .. '@' .. position end
  end
  if add ~= '' then kept[#kept + 1] = add end
  return kept[1] and table.concat(kept, ',') or nil
end

local function move(s, add, drop)
  local names = names_of(add ~= '' and drop ~= '' and add .. ',' .. drop or add .. drop)
  s.p = replaced(s.p, names, add)
  if s.q then s.q = replaced(s.q, names, add) end
  for _, last in ipairs(s.l or NO_FRAMES) do last.q = last.q and replaced(last.q, names, add) end
end

local FRAMES = 9 -- behind these words

-- in:  sid; prefix, version (0: any), ttl (0 stays), bytes that its frames may be (0: any), milliseconds
--      until its next ping or 0, state or keep, the state, positions to add, positions to drop, frames
-- out: OK version waiting bytes holder, CONFLICT with a view, FULL, GONE, CLOSED reason
local function session_change(keys, args)
  local sid, version, most, pulse = keys[1], tonumber(args[2]), tonumber(args[4]), tonumber(args[5])
  local s = read(sid)
  if not s then return { GONE } end
  if s.c then return { CLOSED, s.c } end
  if version ~= 0 and version ~= s.v then return view_or_gone(sid, s, CONFLICT) end
  local bytes, fresh, held = s.w or 0, #args > FRAMES, s.h
  for i = FRAMES + 1, #args do bytes = bytes + #args[i] end
  if fresh and most > 0 and bytes > most then return { FULL } end
  local rendered = args[6] == 'state' or args[8] ~= '' or args[9] ~= ''
  if rendered then s.v = s.v + 1 end
  if args[6] == 'state' then s.s = args[7] ~= '' and args[7] or nil end
  if args[8] ~= '' or args[9] ~= '' then move(s, args[8], args[9]) end
  if fresh then
    call('RPUSH', out(sid), unpack(args, FRAMES + 1))
    s.n, s.w = (s.n or 0) + #args - FRAMES, bytes
  end
  if pulse > 0 then s.x = now_ms() + pulse end
  local told = held and (rendered or fresh or pulse > 0) and tell(s, args[1], 'wake')
  save(sid, s, tonumber(args[3]))
  return { OK, s.v, s.n or 0, s.w or 0, told and 1 or 0 }
end

-- ----------------------------------------------------------------------------- the end

-- in:  sid; prefix, ttl, once or each, reason
-- out: OK holder, CLOSED reason, GONE
local function session_close(keys, args)
  local sid = keys[1]
  local s, ended = read(sid)
  if not s then return { GONE } end
  if s.c and not ended then return { CLOSED, s.c } end
  if not ended then shut(s, args[4], args[3] == 'once') end
  local told = s.h and tell(s, args[1], 'wake')
  save(sid, s, tonumber(args[2]))
  return { OK, told and 1 or 0 }
end

-- Whoever comes to go on without Redis says so that the last answer came.
-- in:  sid; prefix
-- out: HELD with a view of what it was, GONE, CLOSED reason
local function session_remove(keys, args)
  local sid = keys[1]
  local s = read(sid)
  if not s then return { GONE } end
  if s.c then return { CLOSED, s.c } end
  settle(sid, s, 'next', '')
  local seen = view(sid, s, HELD, false)
  if s.h then tell(s, args[1], 'over') end
  forget(sid, s)
  return seen or { GONE }
end

local function session_version()
  return { VERSION, DIGEST, SERVES }
end

local function offer(name, serve, flags)
  redis.register_function { function_name = 'halley_session_' .. name, flags = flags, callback = function(keys, args)
    if not call then take_names() end
    return serve(keys, args)
  end }
end

offer('open', session_open, {})
offer('count', session_count, {})
offer('attach', session_attach, {})
offer('look', session_look, {})
offer('answer', session_answer, {})
offer('answers', session_answers, {})
offer('change', session_change, {})
offer('renew', session_renew, {})
-- In a full Redis what makes room must still be possible.
offer('write', session_write, { 'allow-oom' })
offer('release', session_release, { 'allow-oom' })
offer('close', session_close, { 'allow-oom' })
offer('remove', session_remove, { 'allow-oom' })
offer('version', session_version, { 'no-writes' })
