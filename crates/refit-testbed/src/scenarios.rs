//! Ready-made devices, each with one thing about to go wrong, or to be minded, at its next upgrade.
//!
//! Each says what plain `apt-get -y dist-upgrade` makes of it, and a test in `tests/scenarios.rs` shows that. The package
//! in question is `alpha`, at 1.0, with 2.0 on offer and already in the device's lists.

use crate::base::BaseRoot;
use crate::command::Running;
use crate::device::Device;
use crate::package::{Package, Script};
use crate::root::Root;

/// Nothing is wrong: `alpha` goes to 2.0.
pub fn plain_upgrade(base: &BaseRoot) -> Device {
    alpha(base, Package::new("alpha", "2.0"))
}

/// `alpha` 2.0 comes from the security archive, while the main archive offers 1.5.
pub fn security_upgrade(base: &BaseRoot) -> Device {
    let device = Device::new(base, [Package::new("alpha", "1.0")]);
    device.publish_security([Package::new("alpha", "2.0")]);
    device.offer([Package::new("alpha", "1.5")]);
    device
}

/// `alpha` 2.0's postinst fails: apt-get exits 100 and leaves `alpha` half-configured (`iF`) with the version 2.0.
pub fn failing_postinst(base: &BaseRoot) -> Device {
    alpha(base, Package::new("alpha", "2.0").script(Script::Postinst, "echo 'alpha: cannot migrate' >&2; exit 1"))
}

/// `alpha` 2.0's preinst fails: apt-get exits 100, and `alpha` 1.0 stays installed.
pub fn failing_preinst(base: &BaseRoot) -> Device {
    alpha(base, Package::new("alpha", "2.0").script(Script::Preinst, "echo 'alpha: will not unpack' >&2; exit 1"))
}

/// [`failing_postinst`] after it has happened: `alpha` 2.0 is half-configured, and every apt-get that installs
/// something exits 100 until `alpha` can be configured. It can once `/etc/alpha-can-migrate` exists.
pub fn half_configured(base: &BaseRoot) -> Device {
    let postinst = "test -e /etc/alpha-can-migrate || { echo 'alpha: cannot migrate' >&2; exit 1; }";
    let device = alpha(base, Package::new("alpha", "2.0").script(Script::Postinst, postinst));
    device.root.apt_get(["-y", "dist-upgrade"]).exit(100);
    device
}

/// `alpha` 2.0 conflicts with `beta` 1.0, of which there is nothing newer: dist-upgrade removes `beta` or holds
/// `alpha` back, as apt judges; here `keeper` needs `beta`, so that `alpha` is kept back. To name `alpha` 2.0 and
/// `keeper` together can't be satisfied at all.
pub fn dependency_conflict(base: &BaseRoot) -> Device {
    let keeper = Package::new("keeper", "1.0").depends("beta").field("Important", "yes");
    let device = Device::new(base, [Package::new("alpha", "1.0"), Package::new("beta", "1.0"), keeper]);
    device.offer([Package::new("alpha", "2.0").conflicts("beta")]);
    device
}

/// `alpha` 2.0 depends on `library`, which the archive does not have: `alpha` is kept back.
pub fn missing_dependency(base: &BaseRoot) -> Device {
    alpha(base, Package::new("alpha", "2.0").depends("library (>= 2)"))
}

/// `alpha` 2.0 depends on `library`, which is not installed: dist-upgrade installs it, `upgrade
/// --without-new-pkgs` keeps `alpha` back.
pub fn upgrade_needs_new_package(base: &BaseRoot) -> Device {
    let device = Device::new(base, [Package::new("alpha", "1.0")]);
    device.offer([Package::new("alpha", "2.0").depends("library"), Package::new("library", "1.0")]);
    device
}

/// `alpha` 2.0 takes over from `alpha-extras` 1.0: dist-upgrade removes `alpha-extras`.
pub fn upgrade_removes_package(base: &BaseRoot) -> Device {
    let device = Device::new(base, [Package::new("alpha", "1.0"), Package::new("alpha-extras", "1.0")]);
    let alpha = Package::new("alpha", "2.0").conflicts("alpha-extras").field("Replaces", "alpha-extras");
    device.offer([alpha.field("Provides", "alpha-extras")]);
    device
}

/// `alpha` 2.0 asks for a restart of the device in the way Debian's packages do: `/run/reboot-required`, and its name
/// in `/run/reboot-required.pkgs`. [`Root::reboot`] clears both.
pub fn reboot_marker(base: &BaseRoot) -> Device {
    let postinst = "touch /run/reboot-required; echo alpha >>/run/reboot-required.pkgs";
    alpha(base, Package::new("alpha", "2.0").script(Script::Postinst, postinst))
}

/// `alpha` is on hold: dist-upgrade leaves it at 1.0 and exits 0; to name it makes `apt-get -y install` exit 100.
pub fn hold(base: &BaseRoot) -> Device {
    let device = plain_upgrade(base);
    device.root.run("apt-mark", ["hold", "alpha"]).success();
    device
}

/// `alpha` is pinned to 1.*: apt has no newer candidate for it and says nothing.
pub fn pin(base: &BaseRoot) -> Device {
    let device = plain_upgrade(base);
    device.root.write("/etc/apt/preferences.d/alpha", "Package: alpha\nPin: version 1.*\nPin-Priority: 1001\n");
    device
}

/// Somebody edited `/etc/alpha.conf`, and `alpha` 2.0 brings a new one: dpkg asks, and where nobody answers it fails,
/// unless told to keep the edited one (`--force-confold`); then the new one is at `/etc/alpha.conf.dpkg-dist`.
pub fn edited_conffile(base: &BaseRoot) -> Device {
    let device = Device::new(base, [Package::new("alpha", "1.0").conffile("/etc/alpha.conf", "colour=red\n")]);
    device.root.write("/etc/alpha.conf", "colour=mine\n");
    device.offer([Package::new("alpha", "2.0").conffile("/etc/alpha.conf", "colour=blue\n")]);
    device
}

/// [`upgrade_that_waits`] killed where it waits: `alpha` 2.0 is unpacked and not configured (`iU`), and apt-get exits
/// 100, asking for `dpkg --configure -a`.
pub fn killed_between_unpack_and_configure(base: &BaseRoot) -> Device {
    let device = upgrade_that_waits(base);
    let apt = device.root.command("apt-get").args(["-y", "dist-upgrade"]).start();
    kill_while_waiting(&device.root, apt);
    device
}

/// `alpha` 2.0 is unpacked, and then the upgrade waits in the preinst of `omega` 2.0 until it is killed, or let go on by
/// [`let_go_on`]. For killing something other than apt-get: start it, then [`kill_while_waiting`].
pub fn upgrade_that_waits(base: &BaseRoot) -> Device {
    let device = Device::new(base, [Package::new("alpha", "1.0"), Package::new("omega", "1.0")]);
    // What breaks the old alpha is unpacked after the new one.
    let omega = Package::new("omega", "2.0")
        .field("Breaks", "alpha (<< 2.0)")
        .script(Script::Preinst, "test ! -p /run/gate || { touch /run/waiting; read answer </run/gate; }");
    device.offer([Package::new("alpha", "2.0"), omega]);
    device.root.run("mkfifo", ["/run/gate"]).success();
    device
}

/// Kills what upgrades a device of [`upgrade_that_waits`] once `alpha` is unpacked and not configured. The device then
/// waits no more: the upgrade can be taken up again.
pub fn kill_while_waiting(root: &Root, mut upgrade: Running) {
    upgrade.wait_until("waiting between unpack and configure", || root.exists("/run/waiting"));
    upgrade.kill();
    root.remove("/run/waiting").remove("/run/gate");
}

/// Lets an upgrade of [`upgrade_that_waits`] go on.
pub fn let_go_on(root: &Root) {
    root.shell("echo on >/run/gate").success();
}

/// The disk has nothing left: apt-get exits 100 before it fetches anything.
pub fn disk_full_for_download(base: &BaseRoot) -> Device {
    disk_with_left(base, 0, Package::new("beta", "2.0"))
}

/// The disk has 1 MiB left and `alpha` 2.0 needs 4. dpkg rolls `alpha` back to 1.0 (`ii`), and leaves `beta` 2.0
/// unpacked and not configured (`iU`): apt-get exits 100. [`Root::free_disk`] gives room again.
pub fn disk_full_half_way(base: &BaseRoot) -> Device {
    disk_with_left(base, 1 << 20, Package::new("beta", "2.0"))
}

/// As [`disk_full_half_way`], but `beta` 2.0 can't be together with `alpha` 1.0: `alpha` is left half-configured (`iF`) at
/// 1.0 and dependencies are broken. With room again, `apt-get --fix-broken install` repairs it and nothing less does.
pub fn disk_full_breaks_dependencies(base: &BaseRoot) -> Device {
    disk_with_left(base, 1 << 20, Package::new("beta", "2.0").field("Breaks", "alpha (<< 2.0)"))
}

/// As [`disk_full_breaks_dependencies`], with 64 KiB left: too little for dpkg to note down its own state. It aborts in the
/// middle, and `beta` must be reinstalled (`iUR`): with room again neither `dpkg --configure -a` nor `--fix-broken
/// install` repairs that, installing a version of `beta` does.
pub fn disk_full_for_dpkg_itself(base: &BaseRoot) -> Device {
    disk_with_left(base, 64 << 10, Package::new("beta", "2.0").field("Breaks", "alpha (<< 2.0)"))
}

fn disk_with_left(base: &BaseRoot, left: u64, beta: Package) -> Device {
    let disk = Root::with_disk(base, 64 << 20);
    let device = Device::on(disk, [Package::new("alpha", "1.0"), Package::new("beta", "1.0")]);
    // Zeros: small on their way, large when unpacked.
    let alpha = Package::new("alpha", "2.0").file("/usr/share/alpha/large", vec![0; 4 << 20]);
    device.offer([alpha, beta]);
    device.root.fill_disk(left);
    device
}

/// apt's and dpkg's locks are held, as another package manager holds them, until the returned program is dropped: apt-get
/// exits 100 at once, or waits as long as `DPkg::Lock::Timeout` says.
pub fn locked(device: &Device) -> Running {
    record_locks(&device.root, &["/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock"])
}

/// A program that holds these record locks until it is dropped.
pub(crate) fn record_locks(root: &Root, paths: &[&str]) -> Running {
    let script = r#"
        use Fcntl;
        for my $path (@ARGV) {
            open(my $file, ">>", $path) or die "$path: $!";
            # struct flock: the whole file, for writing. A record lock; flock(2) would lock out nobody here.
            my $whole = pack("s s x4 q q i x4", F_WRLCK, 0, 0, 0, 0);
            fcntl($file, F_SETLK, $whole) or die "$path: $!";
            push @held, $file;
        }
        $| = 1;
        print "held\n";
        sleep;
    "#;
    let mut holder = root.command("perl").args(["-e", script]).args(paths).start();
    let printed = holder.stdout_path();
    holder.wait_until("holding the locks", || std::fs::read(&printed).is_ok_and(|text| text == b"held\n"));
    holder
}

/// The source is gone: nothing is where it was. apt-get update exits 100 and the lists stay.
pub fn source_gone(base: &BaseRoot) -> Device {
    let device = plain_upgrade(base);
    device.repository.attach_to_wrong_path(&device.root);
    device
}

/// The source's server does not answer: apt-get update warns and exits 0.
pub fn source_unreachable(base: &BaseRoot) -> Device {
    let device = plain_upgrade(base);
    device.repository.attach_to_dead_server(&device.root);
    device
}

/// The main archive's release file was valid until yesterday: apt-get update exits 100.
pub fn source_expired(base: &BaseRoot) -> Device {
    spoiled(base, |device| device.repository.expire("bookworm"))
}

/// The main archive has lost its signature: apt-get update exits 100.
pub fn source_unsigned(base: &BaseRoot) -> Device {
    spoiled(base, |device| device.repository.unsign("bookworm"))
}

/// The main archive is signed with a key that the device does not trust: apt-get update warns, keeps the lists that it
/// had, and exits 0.
pub fn source_signed_by_stranger(base: &BaseRoot) -> Device {
    spoiled(base, |device| device.repository.sign_with_stranger_key("bookworm"))
}

/// The list of packages of the main archive was changed after it was signed: apt-get update exits 100.
pub fn source_tampered(base: &BaseRoot) -> Device {
    spoiled(base, |device| device.repository.tamper_with_list("bookworm"))
}

/// The package `alpha` 2.0 was changed after its list was signed: apt-get update succeeds, the upgrade exits 100 before
/// anything is unpacked.
pub fn package_tampered(base: &BaseRoot) -> Device {
    let device = plain_upgrade(base);
    device.repository.tamper_with_package("bookworm", &Package::new("alpha", "2.0"));
    device
}

fn alpha(base: &BaseRoot, next: Package) -> Device {
    let device = Device::new(base, [Package::new("alpha", "1.0")]);
    device.offer([next]);
    device
}

/// A device that knows of `alpha` 2.0, while the repository, with 3.0 in it, was spoiled since.
fn spoiled(base: &BaseRoot, spoil: impl FnOnce(&Device)) -> Device {
    let device = plain_upgrade(base);
    device.publish([Package::new("alpha", "3.0")]);
    spoil(&device);
    device
}
