use super::*;

#[test]
fn a_replaced_library_counts_and_shared_memory_does_not() {
    let library = "7f00-7f01 r-xp 00001000 fd:00 1234    /usr/lib/x86_64-linux-gnu/libssl.so.3 (deleted)";
    assert_eq!(deleted_file(library), Some("/usr/lib/x86_64-linux-gnu/libssl.so.3"));
    for line in [
        "7f00-7f01 rw-p 00001000 fd:00 1234    /usr/lib/x86_64-linux-gnu/libssl.so.3 (deleted)",
        "7f00-7f01 r-xp 00001000 fd:00 1234    /memfd:jit (deleted)",
        "7f00-7f01 r-xp 00001000 fd:00 1234    /usr/lib/x86_64-linux-gnu/libssl.so.3",
        "7f00-7f01 r-xp 00000000 00:00 0 ",
    ] {
        assert_eq!(deleted_file(line), None, "{line}");
    }
}

#[test]
fn the_unit_is_the_innermost_service_of_the_control_group() {
    assert_eq!(unit_of("0::/system.slice/ssh.service\n").as_deref(), Some("ssh.service"));
    assert_eq!(
        unit_of("0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.service\n").as_deref(),
        Some("x.service")
    );
    assert_eq!(unit_of("12:cpu:/\n1:name=systemd:/system.slice/cron.service\n").as_deref(), Some("cron.service"));
    assert_eq!(unit_of("0::/user.slice/session-1.scope\n"), None);
}

#[test]
fn processes_are_grouped_by_unit_and_program() {
    let folder = tempfile::tempdir().unwrap();
    for pid in ["10", "11", "12"] {
        let process = folder.path().join(pid);
        std::fs::create_dir(&process).unwrap();
        let deleted = if pid == "12" { "" } else { " (deleted)" };
        let maps = format!("7f00-7f01 r-xp 00001000 fd:00 1    /usr/lib/libssl.so.3{deleted}\n");
        std::fs::write(process.join("maps"), maps).unwrap();
        std::fs::write(process.join("cgroup"), "0::/system.slice/ssh.service\n").unwrap();
        std::os::unix::fs::symlink("/usr/sbin/sshd", process.join("exe")).unwrap();
    }
    let found = outdated_processes(folder.path());
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].unit.as_deref(), found[0].program.as_str()), (Some("ssh.service"), "/usr/sbin/sshd"));
    assert_eq!(
        (found[0].pids.as_slice(), found[0].files.as_slice()),
        ([10, 11].as_slice(), ["/usr/lib/libssl.so.3".to_owned()].as_slice())
    );
}
