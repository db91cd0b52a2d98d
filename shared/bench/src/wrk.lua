-- Sends GET requests that differ only in one header, whose values stand in a file, one a line.
-- usage: wrk -s wrk.lua URL -- HEADER FILE
-- Ends in one line of JSON. Every request is built beforehand, so that this script costs as little as it can.

local requests = {}
local turn = 0
local threads = 0

function setup(thread)
   thread:set("first", threads * 997)
   threads = threads + 1
end

function init(args)
   for value in io.lines(args[2]) do
      requests[#requests + 1] = wrk.format("GET", nil, { [args[1]] = value })
   end
   turn = first
end

function request()
   turn = turn % #requests + 1
   return requests[turn]
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      '{"requests":%d,"duration_us":%d,"bytes":%d,"failed":%d,"p50_us":%d,"p99_us":%d}\n',
      summary.requests, summary.duration, summary.bytes,
      errors.connect + errors.read + errors.write + errors.status + errors.timeout,
      latency:percentile(50), latency:percentile(99)))
end
