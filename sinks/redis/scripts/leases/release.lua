-- KEYS: lease. ARGV: owner. Answers whether it was ours.
if looked('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
