-- Deletes the lease if it is ours. KEYS: lease. ARGV: owner. Answers 1 if it was ours.
if looked('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
