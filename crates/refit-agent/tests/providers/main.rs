//! What every package provider has to do, tried on real devices with the real programs: one list of scenarios for all.
//!
//! This program is its own helper: a test shows it inside a device, and runs its test `driver` there, which asks the
//! provider one question. What was changed is measured without it, by the package manager's own database before and after.
// Only the machine is pure.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod changes;
mod dnf_only;
mod driver;
mod failures;
mod machine;
mod sources;

/// Makes one test of each scenario for each kind of package manager.
macro_rules! conformance {
    ($($module:ident::$scenario:ident),* $(,)?) => {
        mod apt {
            $(#[test] fn $scenario() { crate::$module::$scenario(refit_testbed::family::Family::Apt); })*
        }
        mod dnf {
            $(#[test] fn $scenario() { crate::$module::$scenario(refit_testbed::family::Family::Dnf); })*
        }
    };
}

conformance! {
    changes::an_upgrade_is_exact_and_the_second_simulation_is_empty,
    changes::a_simulation_names_what_comes_along_with_its_repository_and_key,
    changes::what_was_not_simulated_is_not_made,
    changes::a_removal_is_exact,
    changes::a_downgrade_is_made_where_it_is_named,
    changes::a_held_package_is_shown_and_refused,
    changes::an_edited_configuration_file_is_kept,
    changes::what_is_offered_is_told_with_the_candidate,
    changes::a_restart_of_the_machine_is_noticed,
    changes::what_is_not_permitted_is_left_out_and_the_rest_is_kept,
    changes::what_is_held_or_not_to_be_had_is_left_out,
    failures::a_failing_post_install_script_is_a_failure_and_stays_one,
    failures::a_package_that_failed_is_mended_by_a_newer_version,
    failures::a_failing_pre_install_script_leaves_the_old_version,
    failures::a_conflict_is_refused_and_named,
    failures::a_missing_dependency_is_refused_and_named,
    failures::a_version_that_nobody_has_is_not_found,
    failures::an_interrupted_change_is_repaired_first,
    failures::a_disk_without_room_changes_nothing,
    failures::a_lock_is_waited_for_with_a_limit_and_never_deleted,
    sources::a_source_that_is_gone_is_told,
    sources::a_server_that_does_not_answer_is_told,
    sources::an_unsigned_source_is_not_believed,
    sources::a_source_signed_by_a_stranger_is_not_believed,
    sources::a_list_that_was_changed_is_not_believed,
    sources::a_package_that_was_changed_is_not_installed,
}
