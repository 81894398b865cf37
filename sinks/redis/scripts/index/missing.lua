-- Which jobs are in no set. ARGV: promptIds.
local missing = {}
for _, id in ipairs(ARGV) do
  if not standingOf(id) then missing[#missing + 1] = id end
end
return missing
