-- A user's unsettled jobs and the bytes of their workflows, but for the jobs of ARGV.
trim(256)
local jobs = redis.call('ZCARD', KEYS[1]) + redis.call('ZCARD', KEYS[2])
local bytes = tonumber(redis.call('HGET', BYTES, '') or '0')
for _, id in ipairs(ARGV) do
  if redis.call('ZSCORE', KEYS[1], id) or redis.call('ZSCORE', KEYS[2], id) then
    jobs = jobs - 1
    bytes = bytes - tonumber(redis.call('HGET', BYTES, 'j' .. id) or '0')
  end
end
return { jobs, bytes }
