-- Wireshark and tshark: the messages of ip_queue and ip6_queue, on netlink protocols 3 and 13.
--
--   tshark -X lua_script:ip_queue.lua -r trace.pcap -O ip_queue
--
-- or put this file into the folder of personal Lua plugins, which `tshark -G folders` names.
--
-- Wireshark hands over each message with its netlink header, but keeps NLMSG_ERROR to itself. The
-- layout depends on the machine: words of 4 or 8 bytes, in either byte order. No message states it, so
-- each is read in the layout that it fits; the preference "Word size" decides where several do.
--
-- License: MIT OR Apache-2.0

local ip_queue = Proto("ip_queue", "Linux ip_queue")

local types = { [0x11] = "MODE", [0x12] = "VERDICT", [0x13] = "PACKET" }
local modes = { [0] = "NONE", [1] = "META", [2] = "PACKET" }
local verdicts = { [0] = "DROP", [1] = "ACCEPT", [2] = "STOLEN", [3] = "QUEUE", [4] = "REPEAT", [5] = "STOP" }
local hooks = { [0] = "PREROUTING", [1] = "INPUT", [2] = "FORWARD", [3] = "OUTPUT", [4] = "POSTROUTING" }

local field = {
  length = ProtoField.uint32("ip_queue.length", "Length"),
  type = ProtoField.uint16("ip_queue.type", "Type", base.HEX, types),
  flags = ProtoField.uint16("ip_queue.flags", "Flags", base.HEX),
  sequence = ProtoField.uint32("ip_queue.sequence", "Sequence"),
  port_id = ProtoField.uint32("ip_queue.port_id", "Port id"),
  mode = ProtoField.uint8("ip_queue.mode", "Copy mode", base.DEC, modes),
  range = ProtoField.uint64("ip_queue.range", "Copy range"),
  verdict = ProtoField.uint32("ip_queue.verdict", "Verdict", base.DEC, verdicts),
  packet_id = ProtoField.uint64("ip_queue.packet_id", "Packet id", base.HEX),
  mark = ProtoField.uint64("ip_queue.mark", "Mark", base.HEX),
  timestamp_sec = ProtoField.int64("ip_queue.timestamp_sec", "Timestamp, seconds"),
  timestamp_usec = ProtoField.int64("ip_queue.timestamp_usec", "Timestamp, microseconds"),
  hook = ProtoField.uint32("ip_queue.hook", "Hook", base.DEC, hooks),
  indev = ProtoField.string("ip_queue.indev", "Incoming device"),
  outdev = ProtoField.string("ip_queue.outdev", "Outgoing device"),
  hw_protocol = ProtoField.uint16("ip_queue.hw_protocol", "EtherType", base.HEX),
  hw_type = ProtoField.uint16("ip_queue.hw_type", "Hardware type"),
  hw_addrlen = ProtoField.uint8("ip_queue.hw_addrlen", "Hardware address length"),
  hw_addr = ProtoField.bytes("ip_queue.hw_addr", "Hardware address"),
  data_len = ProtoField.uint64("ip_queue.data_len", "Data length"),
  data = ProtoField.bytes("ip_queue.data", "Data"),
  padding = ProtoField.bytes("ip_queue.padding", "Padding"),
  word_bytes = ProtoField.uint8("ip_queue.word_bytes", "Word size"),
  big_endian = ProtoField.bool("ip_queue.big_endian", "Big-endian"),
}
ip_queue.fields = field

-- The fields that are a word: 4 bytes on some machines.
local words = {
  [field.range] = "unsigned",
  [field.packet_id] = "unsigned",
  [field.mark] = "unsigned",
  [field.timestamp_sec] = "signed",
  [field.timestamp_usec] = "signed",
  [field.data_len] = "unsigned",
}

local malformed = ProtoExpert.new("ip_queue.malformed", "The message breaks a rule of ip_queue",
  expert.group.MALFORMED, expert.severity.ERROR)
ip_queue.experts = { malformed }

ip_queue.prefs.word_bytes = Pref.enum("Word size", 0, "Of the machine that the messages are of",
  { { 1, "As the message fits", 0 }, { 2, "4 bytes", 4 }, { 3, "8 bytes", 8 } }, true)

local HEADER = 16

-- A layout reads numbers of a message.
local function layout(tvb, word, big)
  local self = { word = word, big = big }
  -- The size of the fixed part after the header.
  self.packet = word == 8 and 96 or 72
  self.request = 3 * word
  function self.number(at, bytes)
    local range = tvb(at, bytes)
    if bytes == 8 then
      return big and range:uint64() or range:le_uint64()
    end
    return big and range:uint() or range:le_uint()
  end
  -- A word as a Lua number, for lengths; what is larger than any message stays so.
  function self.size(at)
    return tonumber(tostring(self.number(at, word)))
  end
  -- Where the data length of a PACKET message stands.
  self.data_len = HEADER + self.packet - word
  return self
end

local function padding(bytes)
  return (4 - bytes % 4) % 4
end

-- How well a message fits a layout.
local function fit(tvb, try)
  if try.number(0, 4) ~= tvb:len() then
    return 0
  end
  local body = tvb:len() - HEADER
  local type = try.number(4, 2)
  if type == 0x13 and body >= try.packet then
    local data = try.size(try.data_len)
    return body == try.packet + data + padding(data) and 3 or 2
  elseif type == 0x12 and body >= try.request then
    return try.size(HEADER + 2 * try.word) == body - try.request and 3 or 2
  elseif type == 0x11 then
    -- libipq's own have 16 bytes too many.
    return (body == try.request or body == try.request + 16) and 3 or body >= try.request and 2 or 1
  end
  return types[type] and 1 or 0
end

local function choose(tvb)
  local best, most
  local stated = ip_queue.prefs.word_bytes
  for _, word in ipairs(stated == 0 and { 8, 4 } or { stated }) do
    for _, big in ipairs({ false, true }) do
      local try = layout(tvb, word, big)
      local fits = fit(tvb, try)
      if not most or fits > most then
        best, most = try, fits
      end
    end
  end
  return best
end

-- Adds fields one after the other. One that is not whole is left out; nil passes over padding.
local function cursor(tvb, tree, try)
  local self = { at = HEADER }
  function self.add(what, bytes)
    if bytes == 0 then
      return
    end
    if self.at + bytes > tvb:len() then
      self.at = tvb:len()
      return
    end
    local range = tvb(self.at, bytes)
    -- What is a word may be shorter than its field.
    if what and words[what] and bytes == 4 then
      local signed = try.big and range:int() or range:le_int()
      tree:add(what, range, words[what] == "signed" and Int64(signed) or UInt64(try.number(self.at, 4)))
    elseif what and try.big then
      tree:add(what, range)
    elseif what then
      tree:add_le(what, range)
    end
    self.at = self.at + bytes
  end
  -- A device's name ends with a NUL, or fills its field.
  function self.add_name(what)
    if self.left() >= 16 then
      local length = 0
      while length < 16 and tvb(self.at + length, 1):uint() ~= 0 do
        length = length + 1
      end
      tree:add(what, tvb(self.at, 16), length > 0 and tvb(self.at, length):string() or "")
    end
    self.at = self.at + 16
  end
  function self.value(bytes)
    return try.number(self.at, bytes)
  end
  function self.left()
    return tvb:len() - self.at
  end
  return self
end

local function too_short(tree, rule, needed, found)
  tree:add_proto_expert_info(malformed, rule .. ": the body has " .. found .. " bytes, and at least " .. needed .. " belong to it")
end

-- Hands a packet to Wireshark's own dissectors.
local function dissect_ip(tvb, pinfo, tree)
  if tvb:len() == 0 then
    return
  end
  local version = tvb(0, 1):bitfield(0, 4)
  local name = version == 4 and "ip" or version == 6 and "ipv6" or "data"
  Dissector.get(name):call(tvb, pinfo, tree)
end

local function add_mode(tvb, tree, try)
  local body = tvb:len() - HEADER
  if body < try.request then
    too_short(tree, "MSG-7", try.request, body)
  end
  local fields = cursor(tvb, tree, try)
  local value = fields.left() >= 1 and fields.value(1)
  fields.add(field.mode, 1)
  fields.add(nil, try.word - 1)
  fields.add(field.range, try.word)
  if value and not modes[value] then
    tree:add_proto_expert_info(malformed, "MSG-8: there is no copy mode " .. value)
  end
  return "MODE " .. (modes[value] or tostring(value))
end

local function add_verdict(tvb, pinfo, tree, try, root)
  local body = tvb:len() - HEADER
  if body < try.request then
    too_short(tree, "MSG-7", try.request, body)
    return "VERDICT, cut"
  end
  local fields = cursor(tvb, tree, try)
  local value = fields.value(4)
  fields.add(field.verdict, 4)
  fields.add(nil, try.word - 4)
  fields.add(field.packet_id, try.word)
  local stated = try.size(fields.at)
  fields.add(field.data_len, try.word)
  if value == 2 or value > 5 then
    tree:add_proto_expert_info(malformed, "VER-1: the verdict's value is " .. value .. ", and can be 0, 1, 3, 4 or 5")
  end
  local found = fields.left()
  if stated ~= found then
    tree:add_proto_expert_info(malformed, "VER-5: the data length is " .. stated .. ", and " .. found .. " bytes follow")
  end
  if found > 0 then
    local data = tvb(fields.at)
    tree:add(field.data, data)
    dissect_ip(data:tvb(), pinfo, root)
  end
  return "VERDICT " .. (verdicts[value] or tostring(value))
end

local function add_packet(tvb, pinfo, tree, try, root)
  local body = tvb:len() - HEADER
  if body < try.packet then
    too_short(tree, "WIRE-2", try.packet, body)
  end
  local fields = cursor(tvb, tree, try)
  for _, name in ipairs({ "packet_id", "mark", "timestamp_sec", "timestamp_usec" }) do
    fields.add(field[name], try.word)
  end
  local hook = fields.left() >= 4 and fields.value(4)
  fields.add(field.hook, 4)
  fields.add_name(field.indev)
  fields.add_name(field.outdev)
  -- The one number that is big-endian on every machine.
  if fields.left() >= 2 then
    tree:add(field.hw_protocol, tvb(fields.at, 2))
  end
  fields.add(nil, 2)
  fields.add(field.hw_type, 2)
  local length = fields.left() >= 1 and fields.value(1) or 0
  fields.add(field.hw_addrlen, 1)
  if length > 8 then
    tree:add_proto_expert_info(malformed, "WIRE-2: a hardware address has at most 8 bytes, not " .. length)
  elseif length > 0 and fields.left() >= 8 then
    tree:add(field.hw_addr, tvb(fields.at, length))
  end
  fields.at = try.data_len
  if fields.left() < try.word then
    return "PACKET, cut"
  end
  local stated = try.size(fields.at)
  fields.add(field.data_len, try.word)
  local found = fields.left()
  if stated > found then
    tree:add_proto_expert_info(malformed, "WIRE-4: the data length is " .. stated .. ", and " .. found .. " bytes follow")
  end
  local data = math.min(stated, found)
  if data > 0 then
    tree:add(field.data, tvb(fields.at, data))
    dissect_ip(tvb(fields.at, data):tvb(), pinfo, root)
  end
  if found > data then
    tree:add(field.padding, tvb(fields.at + data))
  end
  return "PACKET at " .. (hooks[hook] or tostring(hook))
end

function ip_queue.dissector(tvb, pinfo, root)
  if tvb:len() < HEADER then
    return 0
  end
  local try = choose(tvb)
  local tree = root:add(ip_queue, tvb())
  local add = try.big and tree.add or tree.add_le
  add(tree, field.length, tvb(0, 4))
  add(tree, field.type, tvb(4, 2))
  add(tree, field.flags, tvb(6, 2))
  add(tree, field.sequence, tvb(8, 4))
  add(tree, field.port_id, tvb(12, 4))
  tree:add(field.word_bytes, try.word):set_generated()
  tree:add(field.big_endian, try.big):set_generated()
  local type, text = try.number(4, 2), nil
  if type == 0x11 then
    text = add_mode(tvb, tree, try)
  elseif type == 0x12 then
    text = add_verdict(tvb, pinfo, tree, try, root)
  elseif type == 0x13 then
    text = add_packet(tvb, pinfo, tree, try, root)
  else
    text = string.format("type 0x%x", type)
    tree:add_proto_expert_info(malformed, string.format("WIRE-1: no message has the type 0x%x", type))
  end
  pinfo.cols.protocol = "ip_queue"
  pinfo.cols.info = text
  tree:append_text(", " .. text)
  return tvb:len()
end

local netlink = DissectorTable.get("netlink.protocol")
netlink:add(3, ip_queue)
netlink:add(13, ip_queue)
