use super::*;

/// Appointments on a Thursday of a week, by the machine in Berlin: `10:00 11:00` is from nine to ten in UTC.
fn on(day: &str, events: &str) -> Vec<String> {
    let text = format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y\r\n{events}END:VCALENDAR\r\n");
    read(day, &text).busy.iter().map(|time| format!("{} {}", clock(time.from), clock(time.to))).collect()
}

fn read(day: &str, text: &str) -> Found {
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    let from: civil::Date = day.parse().unwrap();
    let at = |date: civil::Date| date.to_zoned(berlin.clone()).unwrap().timestamp();
    let span = Appointment { from: at(from), to: at(from.tomorrow().unwrap()) };
    let mut found = appointments(text, &berlin, span, || true).unwrap();
    found.busy.sort_unstable();
    found
}

fn clock(at: Timestamp) -> String {
    at.to_zoned(TimeZone::get("Europe/Berlin").unwrap()).strftime("%H:%M").to_string()
}

fn event(lines: &str) -> String {
    let lines: String = lines.lines().map(|line| format!("{}\r\n", line.trim())).collect();
    format!("BEGIN:VEVENT\r\nUID:one@example.org\r\nDTSTAMP:20260101T000000Z\r\n{lines}END:VEVENT\r\n")
}

/// A Thursday.
const DAY: &str = "2026-11-26";

#[test]
fn an_event_with_a_time_of_day_is_an_appointment() {
    for (lines, busy) in [
        ("DTSTART:20261126T090000Z\nDTEND:20261126T100000Z", "10:00 11:00"),
        // Without a zone it is the machine's own.
        ("DTSTART:20261126T090000\nDURATION:PT1H30M", "09:00 10:30"),
        ("DTSTART;TZID=Europe/London:20261126T090000\nDTEND;TZID=Europe/Berlin:20261126T110000", "10:00 11:00"),
        // It began the day before, and ends on the next day.
        ("DTSTART:20261125T090000Z\nDTEND:20261127T100000Z", "10:00 11:00"),
        ("DTSTART:20261126T090000Z\nDTEND:20261126T100000Z\nSTATUS:TENTATIVE\nTRANSP:OPAQUE", "10:00 11:00"),
    ] {
        assert_eq!(on(DAY, &event(lines)), [busy], "{lines}");
    }
    for lines in [
        "DTSTART;VALUE=DATE:20261126\nDTEND;VALUE=DATE:20261127",
        "DTSTART;VALUE=DATE:20261126",
        "DTSTART;VALUE=DATE:20201126\nRRULE:FREQ=YEARLY",
        "DTSTART:20261126T090000Z\nDTEND:20261126T100000Z\nTRANSP:TRANSPARENT",
        "DTSTART:20261126T090000Z\nDTEND:20261126T100000Z\nSTATUS:CANCELLED",
        "DTSTART:20261126T090000Z\nDTEND:20261126T100000Z\nX-MICROSOFT-CDO-BUSYSTATUS:FREE",
        // It takes no time, or less.
        "DTSTART:20261126T090000Z",
        "DTSTART:20261126T090000Z\nDTEND:20261126T080000Z",
        "DTSTART:20261126T090000Z\nDURATION:-PT1H",
        // Midnight is the end of the day before.
        "DTSTART:20261125T090000Z\nDTEND:20261125T230000Z",
        "DTSTART:20261126T230000Z\nDTEND:20261126T235900Z",
    ] {
        assert_eq!(on(DAY, &event(lines)), Vec::<String>::new(), "{lines}");
    }
    // Neither tasks nor alarms are.
    let todo = "BEGIN:VTODO\r\nUID:t\r\nDTSTART:20261126T090000Z\r\nDUE:20261126T100000Z\r\nEND:VTODO\r\n";
    assert_eq!(on(DAY, todo), Vec::<String>::new());
}

#[test]
fn what_repeats_is_an_appointment_each_time() {
    for (lines, busy) in [
        // At nine in Berlin, in summer and in winter.
        ("DTSTART;TZID=Europe/Berlin:20260702T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY", &["09:00 10:00"][..]),
        ("DTSTART:20260702T070000Z\nDURATION:PT1H\nRRULE:FREQ=WEEKLY", &["08:00 09:00"]),
        ("DTSTART;TZID=Europe/Berlin:20100101T090000\nDURATION:PT15M\nRRULE:FREQ=DAILY", &["09:00 09:15"]),
        ("DTSTART;TZID=Europe/Berlin:20261001T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;BYDAY=MO,TU,FR", &[]),
        ("DTSTART;TZID=Europe/Berlin:20260122T090000\nDURATION:PT1H\nRRULE:FREQ=MONTHLY;BYDAY=-1TH", &["09:00 10:00"]),
        ("DTSTART;TZID=Europe/Berlin:20261119T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=1", &[]),
        ("DTSTART;TZID=Europe/Berlin:20261119T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=2", &["09:00 10:00"]),
        // Its end is in UTC, and counts; a day as its end counts as a whole.
        (
            "DTSTART;TZID=Europe/Berlin:20261119T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;UNTIL=20261126T080000Z",
            &["09:00 10:00"],
        ),
        ("DTSTART;TZID=Europe/Berlin:20261119T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;UNTIL=20261126T075959Z", &[]),
        (
            "DTSTART;TZID=Europe/Berlin:20261119T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;UNTIL=20261126",
            &["09:00 10:00"],
        ),
        ("DTSTART:20261119T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;UNTIL=20261126T090000", &["09:00 10:00"]),
        // A rule that had ended before it began.
        ("DTSTART:20261126T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;UNTIL=20261101T090000Z", &["09:00 10:00"]),
        // Left out: one time, or whatever is on that day.
        (
            "DTSTART;TZID=Europe/Berlin:20261119T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY\nEXDATE;TZID=Europe/Berlin:20261119T090000,20261126T090000",
            &[],
        ),
        ("DTSTART;TZID=Europe/Berlin:20261119T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY\nEXDATE:20261126T080000Z", &[]),
        (
            "DTSTART;TZID=Europe/Berlin:20261119T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY\nEXDATE;VALUE=DATE:20261126",
            &[],
        ),
        // Further times.
        (
            "DTSTART:20261119T090000\nDURATION:PT1H\nRDATE:20261126T130000,20261126T150000",
            &["13:00 14:00", "15:00 16:00"],
        ),
        ("DTSTART:20261119T090000\nDURATION:PT1H\nRDATE;VALUE=PERIOD:20261126T120000Z/PT3H", &["13:00 16:00"]),
        (
            "DTSTART:20261119T090000\nDURATION:PT1H\nRDATE;VALUE=PERIOD:20261126T120000Z/20261126T123000Z",
            &["13:00 13:30"],
        ),
    ] {
        assert_eq!(on(DAY, &event(lines)), busy, "{lines}");
    }
    // The clocks go forward: half past two is half past three.
    let night = event("DTSTART;TZID=Europe/Berlin:20260101T023000\nDURATION:PT1H\nRRULE:FREQ=DAILY");
    assert_eq!(on("2026-03-29", &night), ["03:30 04:30"]);
}

#[test]
fn one_time_of_what_repeats_may_be_otherwise() {
    let weekly = event("DTSTART;TZID=Europe/Berlin:20261105T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY\nSEQUENCE:3");
    let and = |lines: &str| on(DAY, &format!("{}{weekly}", event(lines)));
    let this = "RECURRENCE-ID;TZID=Europe/Berlin:20261126T090000\nSEQUENCE:4";
    assert_eq!(and(&format!("{this}\nDTSTART;TZID=Europe/Berlin:20261126T140000\nDURATION:PT30M")), ["14:00 14:30"]);
    assert_eq!(and(&format!("{this}\nDTSTART;TZID=Europe/Berlin:20261127T090000\nDURATION:PT1H")), [""; 0]);
    let cancelled = "DTSTART;TZID=Europe/Berlin:20261126T090000\nDURATION:PT1H\nSTATUS:CANCELLED";
    assert_eq!(and(&format!("{this}\n{cancelled}")), [""; 0]);
    let free = "DTSTART;TZID=Europe/Berlin:20261126T090000\nDURATION:PT1H\nTRANSP:TRANSPARENT";
    assert_eq!(and(&format!("{this}\n{free}")), [""; 0]);
    // Made a whole day.
    assert_eq!(and(&format!("{this}\nDTSTART;VALUE=DATE:20261126")), [""; 0]);
    // In UTC, or by its day, it is the same one; another one changes nothing.
    let moved = "DTSTART:20261126T130000Z\nDURATION:PT30M";
    assert_eq!(and(&format!("RECURRENCE-ID:20261126T080000Z\n{moved}")), ["14:00 14:30"]);
    assert_eq!(and(&format!("RECURRENCE-ID;VALUE=DATE:20261126\n{moved}")), ["14:00 14:30"]);
    assert_eq!(and(&format!("RECURRENCE-ID:20261119T080000Z\n{moved}")), ["09:00 10:00", "14:00 14:30"]);

    // From one time on all are later and longer, but for one.
    let from = "RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20261112T090000";
    let later = event(&format!("{from}\nDTSTART;TZID=Europe/Berlin:20261112T110000\nDURATION:PT2H"));
    assert_eq!(on("2026-11-05", &format!("{weekly}{later}")), ["09:00 10:00"]);
    assert_eq!(on("2026-11-12", &format!("{weekly}{later}")), ["11:00 13:00"]);
    assert_eq!(on(DAY, &format!("{weekly}{later}")), ["11:00 13:00"]);
    let but = event("RECURRENCE-ID;TZID=Europe/Berlin:20261126T090000\nDTSTART:20261126T060000Z\nDURATION:PT1H");
    assert_eq!(on(DAY, &format!("{weekly}{later}{but}")), ["07:00 08:00"]);
    assert_eq!(on("2026-12-03", &format!("{weekly}{later}{but}")), ["11:00 13:00"]);

    // Another event is another series.
    let other = weekly.replace("one@example.org", "two@example.org").replace("T09", "T16");
    let none = event(&format!("{this}\n{cancelled}"));
    assert_eq!(on(DAY, &format!("{weekly}{other}{none}")), ["16:00 17:00"]);
}

#[test]
fn zones_are_known_by_many_names() {
    let zone = |name: &str, more: &str| {
        let lines = format!("DTSTART;TZID={name}:20261126T090000\nDTEND;TZID={name}:20261126T100000");
        on(DAY, &format!("{more}{}", event(&lines)))
    };
    for name in [
        "America/New_York",
        "/freeassociation.sourceforge.net/America/New_York",
        "Eastern Standard Time",
        "/mozilla.org/20050126_1/America/New_York",
        "\"America/New_York\"",
    ] {
        assert_eq!(zone(name, ""), ["15:00 16:00"], "{name}");
    }
    // As Evolution writes them.
    let named = "BEGIN:VTIMEZONE\r\nTZID:Head office\r\nX-LIC-LOCATION:America/New_York\r\nBEGIN:STANDARD\r\n\
                 TZOFFSETFROM:-0400\r\nTZOFFSETTO:-0500\r\nDTSTART:19701101T020000\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n";
    assert_eq!(zone("Head office", named), ["15:00 16:00"]);
    // As Outlook does, with the rules and nothing else.
    let defined = "BEGIN:VTIMEZONE\r\nTZID:Customized Time Zone\r\n\
                   BEGIN:STANDARD\r\nDTSTART:16010101T020000\r\nTZOFFSETFROM:-0400\r\nTZOFFSETTO:-0500\r\n\
                   RRULE:FREQ=YEARLY;BYDAY=1SU;BYMONTH=11\r\nEND:STANDARD\r\n\
                   BEGIN:DAYLIGHT\r\nDTSTART:16010101T020000\r\nTZOFFSETFROM:-0500\r\nTZOFFSETTO:-0400\r\n\
                   RRULE:FREQ=YEARLY;BYDAY=2SU;BYMONTH=3\r\nEND:DAYLIGHT\r\nEND:VTIMEZONE\r\n";
    assert_eq!(zone("Customized Time Zone", defined), ["15:00 16:00"]);
    let summer = "DTSTART;TZID=Customized Time Zone:20260716T090000\nDURATION:PT1H\nRRULE:FREQ=DAILY";
    assert_eq!(on("2026-07-16", &format!("{defined}{}", event(summer))), ["15:00 16:00"]);
    // Between the changes of both zones the clocks differ by an hour less.
    assert_eq!(on("2026-10-29", &format!("{defined}{}", event(summer))), ["14:00 15:00"]);
    let fixed = "BEGIN:VTIMEZONE\r\nTZID:Kathmandu time\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\n\
                 TZOFFSETFROM:+0545\r\nTZOFFSETTO:+0545\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n";
    assert_eq!(zone("Kathmandu time", fixed), ["04:15 05:15"]);
    // One that nobody knows is the machine's own.
    assert_eq!(zone("Nowhere", ""), ["09:00 10:00"]);
}

#[test]
fn what_is_not_understood_is_counted_and_leaves_the_rest_alone() {
    let good = event("DTSTART:20261126T090000Z\nDTEND:20261126T100000Z").replace("one@", "two@");
    for broken in [
        "SUMMARY:no beginning",
        "DTSTART:soon\nDTEND:20261126T100000Z",
        "DTSTART:20261399T990000Z\nDTEND:20261126T100000Z",
        "DTSTART:20201126T090000Z\nDURATION:PT1H\nRRULE:FREQ=SOMETIMES",
        "DTSTART:20201126T090000Z\nDURATION:PT1H\nRRULE:FREQ=SECONDLY",
        "DTSTART:20201126T090000Z\nDURATION:soon",
        "DTSTART:20201126T090000Z\nDURATION:PT1H\nRECURRENCE-ID:never",
    ] {
        let found = read(DAY, &format!("BEGIN:VCALENDAR\r\n{}{good}END:VCALENDAR\r\n", event(broken)));
        assert_eq!((found.events, found.not_understood, found.busy.len()), (2, 1, 1), "{broken}");
    }
    // An end that is missing, lines that are none, and no calendar around it.
    let broken = event("DTSTART:20201126T090000Z\nDURATION:PT1H").replace("END:VEVENT\r\n", "");
    for text in [format!("BEGIN:VCALENDAR\n{broken}{good}"), format!("\0\0;;::==\n;\n:\n{good}"), good.clone()] {
        assert_eq!(read(DAY, &text).busy.len(), 1, "{text}");
    }
    for text in ["", "\n", "BEGIN:VCALENDAR", "BEGIN:VCALENDAR\nBEGIN:VEVENT", "BEGIN", &":".repeat(10_000)] {
        assert_eq!(read(DAY, text).busy.len(), 0, "{text}");
    }
    assert_eq!(read(DAY, &"BEGIN:VEVENT\r\n".repeat(100_000)).busy.len(), 0);
}

#[test]
fn rules_that_take_for_ever_come_to_an_end() {
    let begun = std::time::Instant::now();
    for rule in [
        "FREQ=HOURLY",
        "FREQ=HOURLY;INTERVAL=7",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYDAY=MO;BYMONTHDAY=1;BYMONTH=2",
        "FREQ=DAILY;COUNT=4294967295",
        "FREQ=MONTHLY;BYSETPOS=31;BYDAY=MO",
        "FREQ=YEARLY;INTERVAL=65535",
    ] {
        on(DAY, &event(&format!("DTSTART:00010101T000000Z\nDURATION:PT1H\nRRULE:{rule}")));
    }
    let most = event("DTSTART:00010101T000000Z\nDURATION:P99999999W\nRRULE:FREQ=HOURLY;COUNT=4294967295");
    assert!(on(DAY, &most).len() <= usize::from(OCCURRENCES_MOST) + 1);
    assert!(begun.elapsed() < std::time::Duration::from_secs(60), "{:?}", begun.elapsed());
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    let span = Appointment { from: Timestamp::UNIX_EPOCH, to: Timestamp::UNIX_EPOCH };
    assert_eq!(appointments(&most, &berlin, span, || false), Err(OutOfTime));
}
