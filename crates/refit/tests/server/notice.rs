//! People are told what will happen, on a real message bus, and their answers come back.

use super::{
    agent::{organization, policy, program, receipts},
    commands::settle,
};
use refit_testbed::{BaseRoot, Device, Package, Root, Running, family::AnyDevice};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A session of somebody called Ada, as logind writes it down, with a message bus and a desktop.
const SESSION: &str = r#"
useradd --uid 1000 --create-home ada
mkdir -p /run/systemd/sessions /run/user/1000
chown ada: /run/user/1000
chmod 700 /run/user/1000
printf 'UID=1000\nCLASS=user\nACTIVE=1\nTYPE=wayland\nIDLE_HINT=0\n' >/run/systemd/sessions/1
as_ada dbus-daemon --session --nofork --address=unix:path=/run/user/1000/bus &
until [ -S /run/user/1000/bus ]; do sleep 0.1; done
as_ada python3 /srv/desktop.py &
"#;

/// Runs something in that session.
const AS_ADA: &str = r#"
as_ada() {
    setpriv --reuid ada --regid ada --clear-groups env -i HOME=/home/ada PATH=/usr/bin:/bin XDG_RUNTIME_DIR=/run/user/1000 \
        DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus "$@"
}
"#;

/// PipeWire with a graph as it is while GNOME gives a browser the picture of its screen. The nodes carry sound, since no screen
/// is there; what they say of themselves is what gnome-shell and a browser say. The browser reads while there is a file.
const SHARING: &str = r#"
as_ada pipewire &
until [ -S /run/user/1000/pipewire-0 ]; do sleep 0.1; done
sink='factory.name=support.null-audio-sink audio.position=[MONO] adapter.auto-port-config={mode=dsp monitor=true} object.linger=true'
ports() { as_ada timeout 5 pw-link --output --input; }
# On a busy machine it may take pw-cli longer to connect than it is given.
until ports | grep -q gnome-shell: && ports | grep -q webrtc-consume-stream:; do
    {
        echo "create-node adapter { $sink node.name=gnome-shell media.name=meta-screen-cast-src media.class=Stream/Output/Video }"
        echo "create-node adapter { $sink node.name=webrtc-consume-stream media.class=Stream/Input/Video }"
        sleep 2
    } | as_ada timeout 3 pw-cli || true
done
link='gnome-shell:monitor_MONO webrtc-consume-stream:input_MONO'
while sleep 0.2; do
    if [ -e /home/ada/shares ]; then as_ada pw-link $link; else as_ada pw-link -d $link; fi || true
    # PipeWire lets nobody in from another process namespace: the test can't ask it.
    if as_ada pw-link --links | grep -q webrtc; then touch /home/ada/is-shared; fi
done 2>/dev/null &
"#;

fn wait(what: &str, running: &mut Running, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    running.wait_until(what, || {
        assert!(begun.elapsed() < Duration::from_secs(60), "not {what}");
        std::thread::sleep(Duration::from_millis(50));
        condition()
    });
}

/// A device with somebody's desktop, and an update.
fn desktop() -> Option<AnyDevice> {
    let base = BaseRoot::desktop()?;
    let mut device = Device::on(Root::overlay(&base), ["alpha", "beta"].map(|name| Package::new(name, "1.0")));
    device.root.with_binary(program()).share_network();
    device.root.bind(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/server/desktop.py"), "/srv/desktop.py");
    device.root.write("/etc/machine-id", "5ca1ab1e000000000000000000000004\n");
    device.root.shell("useradd --system --no-create-home --shell /usr/sbin/nologin refit-agent").success();
    device.offer([Package::new("alpha", "2.0")]);
    Some(AnyDevice::Apt(device))
}

#[test]
fn people_are_told_and_their_answers_count() {
    let Some(device) = desktop() else { return };
    let policy =
        policy(&device).replace("deadline:", "experience: { notify: 4h, defer: { times: 2, for: 8h } }\ndeadline:");
    let folder = tempfile::tempdir().unwrap();
    let (mut server, token) = organization(folder.path(), &policy);
    let root = device.root();
    root.command("refit-agent").args(["enroll", "-"]).input(token).run().success();

    let mut running = root.command("sh").args(["-euc", &[AS_ADA, SESSION, "exec refit-agent run"].concat()]).start();
    let status = || root.run("refit-agent", ["status"]).stdout;
    let shown = || -> Vec<Value> {
        let text = root.try_read("/home/ada/shown").unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let version = |name: &str| root.dpkg()[name].version.clone();
    wait("running", &mut running, || root.run("refit-agent", ["status"]).ok());
    root.run("refit-agent", ["once"]).success();
    settle(&server);
    root.run("refit-agent", ["once"]).success();

    // The person is told, in the agent's words, and nothing happens yet.
    wait("told", &mut running, || shown().len() == 1);
    let notice = &shown()[0];
    assert_eq!(notice["program"], "Refit");
    assert_eq!(notice["title"], "Software on this machine will be updated");
    let text = notice["text"].as_str().unwrap();
    assert!(text.starts_with("deb/alpha 2.0") && text.contains("You can put it off 2 times."), "{text}");
    assert_eq!(notice["actions"], json!(["now", "Now", "later", "Later"]));
    assert!(status().contains("you were told, and have time until then"), "{}", status());

    // Later.
    root.write("/home/ada/press-1", "later");
    wait("put off", &mut running, || status().contains("you put it off"));
    assert_eq!(version("alpha"), "1.0");

    // Now after all, by the command line, as the person and not as root.
    root.shell("setpriv --reuid ada --regid ada --clear-groups refit-agent defer --now").success();
    wait("updated", &mut running, || version("alpha") == "2.0");

    // Something else comes; now by the button.
    device.offer([refit_testbed::family::Software::new("beta", "2.0")]);
    root.run("refit-agent", ["once"]).success();
    settle(&server);
    root.run("refit-agent", ["once"]).success();
    wait("told again", &mut running, || shown().len() == 2);
    assert_eq!(version("beta"), "1.0");
    root.write("/home/ada/press-2", "now");
    wait("updated", &mut running, || version("beta") == "2.0");
    root.run("refit-agent", ["once"]).success();
    assert_eq!(receipts(&server), ["deb/alpha: 1.0 -> 2.0, succeeded", "deb/beta: 1.0 -> 2.0, succeeded"]);
    running.kill();
    server.child.kill().unwrap();
    server.child.wait().unwrap();
}

#[test]
fn who_is_busy_is_left_alone() {
    let Some(device) = desktop() else { return };
    let experience = "experience: { relaunch: { mode: at_due, not_while: [screen_share, focus], wait_up_to: 4h } }";
    let policy = policy(&device).replace("deadline:", &format!("{experience}\ndeadline:"));
    let folder = tempfile::tempdir().unwrap();
    let (mut server, token) = organization(folder.path(), &policy);
    let root = device.root();
    root.command("refit-agent").args(["enroll", "-"]).input(token).run().success();

    let mut running =
        root.command("sh").args(["-euc", &[AS_ADA, SESSION, SHARING, "exec refit-agent run"].concat()]).start();
    let status = || root.run("refit-agent", ["status"]).stdout;
    let as_ada = |what: &str| root.shell(&format!("{AS_ADA} as_ada timeout 20 {what}")).success();
    let version = |name: &str| root.dpkg()[name].version.clone();
    // What was heard a moment ago still counts.
    let once = || {
        std::thread::sleep(Duration::from_millis(3_500));
        root.run("refit-agent", ["once"]).success();
    };
    wait("running", &mut running, || root.run("refit-agent", ["status"]).ok());

    // Plasma, told not to disturb.
    root.write("/home/ada/inhibited", "true");
    once();
    settle(&server);
    once();
    wait("waiting", &mut running, || status().contains("deb/alpha 2.0: you are busy"));
    assert_eq!(version("alpha"), "1.0");

    // The screen is shared, and then it is not.
    root.write("/home/ada/shares", "");
    wait("sharing", &mut running, || root.run("test", ["-e", "/home/ada/is-shared"]).ok());
    root.write("/home/ada/inhibited", "false");
    once();
    assert!(status().contains("deb/alpha 2.0: you are busy"), "{}", status());
    assert_eq!(version("alpha"), "1.0");
    root.shell("rm /home/ada/shares").success();
    wait("updated", &mut running, || version("alpha") == "2.0");

    // GNOME has a setting instead.
    as_ada("gsettings set org.gnome.desktop.notifications show-banners false");
    root.shell("rm /home/ada/inhibited").success();
    device.offer([refit_testbed::family::Software::new("beta", "2.0")]);
    once();
    settle(&server);
    once();
    wait("waiting", &mut running, || status().contains("deb/beta 2.0: you are busy"));
    assert_eq!(version("beta"), "1.0");
    as_ada("gsettings set org.gnome.desktop.notifications show-banners true");
    wait("updated", &mut running, || version("beta") == "2.0");

    // A desktop that hangs holds nothing up, nor the agent.
    root.write("/home/ada/inhibited", "true");
    device.offer([refit_testbed::family::Software::new("alpha", "3.0")]);
    once();
    settle(&server);
    once();
    wait("waiting", &mut running, || status().contains("deb/alpha 3.0: you are busy"));
    root.write("/home/ada/inhibited", "hangs");
    wait("updated", &mut running, || version("alpha") == "3.0");
    running.kill();
    server.child.kill().unwrap();
    server.child.wait().unwrap();
}

/// A calendar of somebody's, with one appointment that repeats each day, from an hour ago and for three hours.
fn calendar(summary: &str) -> String {
    let from = jiff::Timestamp::now().checked_sub(jiff::SignedDuration::from_hours(10 * 24 + 1)).unwrap();
    let start = from.strftime("%Y%m%dT%H%M%SZ");
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART:{start}\r\nDURATION:PT3H\r\nRRULE:FREQ=DAILY\r\n\
         SUMMARY:{summary}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

#[test]
fn who_has_an_appointment_is_left_alone() {
    let Some(device) = desktop() else { return };
    let experience = "experience: { relaunch: { mode: at_due, not_while: [calendar_busy], wait_up_to: 4h } }";
    let policy = policy(&device).replace("deadline:", &format!("{experience}\ndeadline:"));
    let folder = tempfile::tempdir().unwrap();
    let (mut server, token) = organization(folder.path(), &policy);
    let root = device.root();
    root.command("refit-agent").args(["enroll", "-"]).input(token).run().success();
    // What root may read and Ada may not is not read for her, wherever her links lead.
    root.write("/root/calendar.ics", calendar("of root"));
    root.shell("chmod 600 /root/calendar.ics; chmod 700 /root").success();
    let links = "mkdir -p /home/ada/.calendars; ln -s /root/calendar.ics /home/ada/.calendars/root.ics; \
                 mkfifo /home/ada/.calendars/pipe.ics; chown -R ada: /home/ada/.calendars\n";

    let mut running = root
        .command("sh")
        .args(["-euc", &[AS_ADA, SESSION, links, "exec refit-agent run 2>/srv/log"].concat()])
        .start();
    let status = || root.run("refit-agent", ["status"]).stdout;
    let as_ada = |what: &str| root.shell(&format!("{AS_ADA} as_ada timeout 20 {what}"));
    let version = |name: &str| root.dpkg()[name].version.clone();
    let once = || root.run("refit-agent", ["once"]).success();
    let update = |name: &str, to: &str| {
        device.offer([refit_testbed::family::Software::new(name, to)]);
        once();
        settle(&server);
        once();
    };
    wait("running", &mut running, || root.run("refit-agent", ["status"]).ok());

    // Neither root's calendar nor the pipe makes her busy, and it is said that there is something that can't be read.
    once();
    settle(&server);
    once();
    wait("updated", &mut running, || version("alpha") == "2.0");
    let log = root.try_read("/srv/log").unwrap();
    let told = "of the person with uid 1000 can't be asked: all appointments: some calendars can't be read";
    assert_eq!(log.matches(told).count(), 1, "{log}");
    let shown = as_ada("/usr/local/bin/refit-agent calendar").success().stdout;
    assert!(shown.contains("root.ics: it may not be read") && shown.contains("pipe.ics: it is no file"), "{shown}");

    // One of her own does, once it has been read.
    root.write("/home/ada/.calendars/own.ics", calendar("secret"));
    root.shell("chown ada: /home/ada/.calendars/own.ics").success();
    let shown = as_ada("/usr/local/bin/refit-agent calendar").success().stdout;
    assert!(
        shown.contains("own.ics: 1 event") && shown.contains("busy          ") && !shown.contains("secret"),
        "{shown}"
    );
    running.kill();
    let mut running = root.command("sh").args(["-euc", "exec refit-agent run 2>>/srv/log"]).start();
    wait("running", &mut running, || root.run("refit-agent", ["status"]).ok());
    update("beta", "2.0");
    wait("waiting", &mut running, || status().contains("deb/beta 2.0: you are busy"));
    assert_eq!(version("beta"), "1.0");
    assert!(!root.try_read("/srv/log").unwrap().contains("secret"));
    root.shell("chown ada: /home/ada/.calendars/own.ics; rm /home/ada/.calendars/own.ics").success();
    running.kill();
    let mut running = root.command("sh").args(["-euc", "exec refit-agent run 2>>/srv/log"]).start();
    wait("updated", &mut running, || version("beta") == "2.0");
    running.kill();
    server.child.kill().unwrap();
    server.child.wait().unwrap();
}
