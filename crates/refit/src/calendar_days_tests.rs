use super::*;

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

/// The days of events in 2026 and 2027, as `first..last name`.
fn found(events: &str) -> Found {
    let text =
        format!("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\n{events}END:VCALENDAR\n").replace('\n', "\r\n");
    days(&text, date("2026-01-01"), date("2027-12-31")).unwrap()
}

#[track_caller]
fn check(event: &str, expected: &[&str]) {
    let found = found(&format!("BEGIN:VEVENT\nUID:1\nSUMMARY:Quiet\n{event}END:VEVENT\n"));
    let shown = |days: &Days| {
        if days.from == days.to { days.from.to_string() } else { format!("{}..{}", days.from, days.to) }
    };
    assert_eq!(found.days.iter().map(shown).collect::<Vec<_>>(), expected, "{found:?}");
    assert_eq!(found.left_out, []);
}

#[test]
fn a_day_ends_with_the_next_and_midnight_is_of_the_day_before() {
    check("DTSTART;VALUE=DATE:20261224\nDTEND;VALUE=DATE:20261227\n", &["2026-12-24..2026-12-26"]);
    check("DTSTART;VALUE=DATE:20261224\n", &["2026-12-24"]);
    check("DTSTART;VALUE=DATE:20261224\nDTEND;VALUE=DATE:20261224\n", &["2026-12-24"]);
    check("DTSTART;VALUE=DATE:20261224\nDURATION:P2D\n", &["2026-12-24..2026-12-25"]);
    check("DTSTART:20261224T180000\nDTEND:20261225T000000\n", &["2026-12-24"]);
    check("DTSTART:20261224T180000\nDTEND:20261225T060000\n", &["2026-12-24..2026-12-25"]);
    check("DTSTART;TZID=Europe/Berlin:20261224T235959\nDURATION:PT1S\n", &["2026-12-24"]);
    check("DTSTART:20261224T220000Z\nDURATION:PT3H\n", &["2026-12-24..2026-12-25"]);
    check("DTSTART:20261224T220000Z\n", &["2026-12-24"]);
}

#[test]
fn what_repeats_is_there_each_time_but_for_the_days_that_are_excepted() {
    let monthly =
        "DTSTART;VALUE=DATE:20250131\nDTEND;VALUE=DATE:20250202\nRRULE:FREQ=MONTHLY;BYMONTHDAY=-1;UNTIL=20260430\n";
    check(
        monthly,
        &[
            "2025-12-31..2026-01-01",
            "2026-01-31..2026-02-01",
            "2026-02-28..2026-03-01",
            "2026-03-31..2026-04-01",
            "2026-04-30..2026-05-01",
        ],
    );
    check(
        &format!("{monthly}EXDATE;VALUE=DATE:20260228,20260331\n"),
        &["2025-12-31..2026-01-01", "2026-01-31..2026-02-01", "2026-04-30..2026-05-01"],
    );
    check("DTSTART;VALUE=DATE:20000101\nRRULE:FREQ=YEARLY\n", &["2026-01-01", "2027-01-01"]);
    check("DTSTART;VALUE=DATE:20261001\nRDATE;VALUE=DATE:20261101\n", &["2026-10-01", "2026-11-01"]);
    check("DTSTART;VALUE=DATE:20261001\nRRULE:FREQ=DAILY;UNTIL=20200101\n", &["2026-10-01"]);
}

#[test]
fn what_reaches_into_the_time_is_there_whole() {
    check("DTSTART;VALUE=DATE:20251228\nDTEND;VALUE=DATE:20260105\n", &["2025-12-28..2026-01-04"]);
    check("DTSTART;VALUE=DATE:20271231\nDTEND;VALUE=DATE:20280105\n", &["2027-12-31..2028-01-04"]);
    check("DTSTART;VALUE=DATE:20251228\nDTEND;VALUE=DATE:20260101\n", &[]);
    check("DTSTART;VALUE=DATE:20280101\n", &[]);
}

#[test]
fn a_day_of_a_series_is_moved_or_cancelled_by_an_event_of_its_own() {
    let of = |more: &str| format!("BEGIN:VEVENT\nUID:1\nSUMMARY:Close\n{more}END:VEVENT\n");
    let series = of("DTSTART;VALUE=DATE:20260401\nRRULE:FREQ=MONTHLY;COUNT=3\n");
    let moved = of("RECURRENCE-ID;VALUE=DATE:20260501\nDTSTART;VALUE=DATE:20260504\n");
    let cancelled = of("RECURRENCE-ID;VALUE=DATE:20260601\nDTSTART;VALUE=DATE:20260601\nSTATUS:CANCELLED\n");
    let days: Vec<String> =
        found(&(moved + &series + &cancelled)).days.iter().map(|days| days.from.to_string()).collect();
    assert_eq!(days, ["2026-04-01", "2026-05-04"]);
    check("DTSTART;VALUE=DATE:20260401\nSTATUS:CANCELLED\n", &[]);
}

#[test]
fn what_is_not_understood_is_said_and_the_rest_is_read() {
    let event = |name: &str, more: &str| format!("BEGIN:VEVENT\nUID:{name}\nSUMMARY:{name}\n{more}END:VEVENT\n");
    let found = found(
        &[
            event("good", "DTSTART;VALUE=DATE:20260401\nCATEGORIES:Holiday,Public\n"),
            event("never", ""),
            event("no date", "DTSTART;VALUE=DATE:20261332\n"),
            event("often", "DTSTART:20260401T000000\nRRULE:FREQ=SECONDLY\n"),
            event("long", "DTSTART;VALUE=DATE:20260401\nDTEND;VALUE=DATE:21260401\n"),
            event("longer", "DTSTART;VALUE=DATE:20260401\nDURATION:P4294967295W\n"),
            event("back", "DTSTART;VALUE=DATE:20260401\nDURATION:-P1D\n"),
            event("rest", "RECURRENCE-ID;RANGE=THISANDFUTURE:20260401\nDTSTART;VALUE=DATE:20260401\n"),
        ]
        .concat(),
    );
    assert_eq!(found.events, 8);
    let days = Days {
        from: date("2026-04-01"),
        to: date("2026-04-01"),
        name: "good".into(),
        categories: ["Holiday".to_owned(), "Public".to_owned()].into(),
    };
    assert_eq!(found.days, [days]);
    let left_out: Vec<&str> = found.left_out.iter().map(|left_out| left_out.event.as_str()).collect();
    assert_eq!(left_out, ["back", "long", "longer", "never", "no date", "often", "rest"]);
    assert_eq!(super::days("<html>no calendar</html>", date("2026-01-01"), date("2026-12-31")), None);
}

#[test]
fn hostile_calendars_end() {
    let texts = [
        "BEGIN:VCALENDAR\r\n".repeat(10_000),
        "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20260101\r\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n".to_owned(),
        format!("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:{}\r\n", "a".repeat(1 << 20)),
        "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART:00000000T999999Z\r\nRRULE:FREQ=HOURLY;INTERVAL=0\r\nEND:VEVENT\r\nEND:VCALENDAR".to_owned(),
    ];
    for text in texts {
        let begun = std::time::Instant::now();
        let found = days(&text, date("2026-01-01"), date("2027-12-31"));
        assert!(found.is_none_or(|found| found.days.len() <= 1));
        assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{}", &text[..60.min(text.len())]);
    }
}
