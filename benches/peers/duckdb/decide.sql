-- The decision of every managed slot of every device, counted by what devices share.
--
-- Tables: device(id, mask, server, vip, position), install(device, title, rank, since), title(title, fifth, plain),
-- release(title, rank, published), advisory(title, fixed, known, cvss, epss, kev, ransomware), policy(policy, min_age, rollout),
-- entry(policy, number, condition, within). `mask` has a bit for each policy with a condition that holds for the device. Times are seconds since 1970.

-- Where each policy leads to with each title: the newest release that is old enough.
create or replace temp table goal as
select policy, title, max(rank) as rank
from policy, release
where published <= $now - min_age
group by policy, title;

-- When an advisory is due under a policy, for each kind of device on which conditions on exposures depend: the first entry that holds counts, from
-- when its fix was there and it was known.
create or replace temp table due_exposure as
with kinds as (select * from (values (false), (true)) s(server), (values (false), (true)) v(vip))
select policy, a.title, a.fixed, server, vip, min(greatest(a.known, r.published + p.min_age) + e.within) as due
from advisory a
join release r on r.title = a.title and r.rank = a.fixed
cross join kinds
join policy p on true
join entry e using (policy)
where case e.condition
    when 0 then true
    when 1 then a.kev
    when 2 then a.cvss >= 9.0 or a.epss >= 0.5
    when 3 then a.kev and a.ransomware
    when 4 then a.cvss >= 7.0 and server
    when 5 then a.epss >= 0.2 and not vip
end
group by policy, a.title, a.fixed, server, vip;

-- All answers that do not depend on a device: by policy, title, installed release and kind of device.
create or replace temp table answer as
with installed as (select g.policy, r.title, r.rank, g.rank as goal from release r join goal g using (title) where r.rank < g.rank),
     last as (select policy, max(within) as within from entry group by policy)
select i.policy, i.title, i.rank, i.goal, d.server, d.vip, min(d.due) as due,
       any_value(next.published + p.min_age) as stale_since, any_value(last.within) as within
from installed i
join policy p using (policy)
join last using (policy)
join release next on next.title = i.title and next.rank = i.rank + 1
left join due_exposure d on d.policy = i.policy and d.title = i.title and d.fixed > i.rank and d.fixed <= i.goal
group by i.policy, i.title, i.rank, i.goal, d.server, d.vip;

-- One pass over the installs.
create or replace temp table cohort as
with decided as (
    select i.title, i.rank, i.since, d.server, d.vip, d.position,
           -- Of the policies with a condition a title is in four; the highest of them that holds decides.
           case when d.mask >> (t.fifth + 15) & 1 = 1 then 100 + t.fifth + 15
                when d.mask >> (t.fifth + 10) & 1 = 1 then 100 + t.fifth + 10
                when d.mask >> (t.fifth + 5) & 1 = 1 then 100 + t.fifth + 5
                when d.mask >> t.fifth & 1 = 1 then 100 + t.fifth
                else t.plain end as policy
    from install i join device d on d.id = i.device join title t using (title)
)
select w.policy, w.title, w.rank, a.goal,
       case when w.position < 0.1 then 1 when w.position < 0.6 then 2 else 3 end as ring,
       least(a.due, greatest(a.stale_since, w.since) + a.within) as due,
       count(*) as devices
from decided w
left join answer a
  on a.policy = w.policy and a.title = w.title and a.rank = w.rank
 and a.server is not distinct from case when a.server is null then null else w.server end
 and a.vip is not distinct from case when a.vip is null then null else w.vip end
group by all;
