//! What goes wrong with people and devices, one function for each.

use super::made::{Account, Company, Entry, Size};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Defect {
    BoardSwap,
    ReEnrolment,
    SerialReused,
    Clone,
    SharedDesk,
    NameChanged,
    ContractorToEmployee,
    AddressReused,
    SecondAccount,
}

pub const ALL: [Defect; 9] = [
    Defect::BoardSwap,
    Defect::ReEnrolment,
    Defect::SerialReused,
    Defect::Clone,
    Defect::SharedDesk,
    Defect::NameChanged,
    Defect::ContractorToEmployee,
    Defect::AddressReused,
    Defect::SecondAccount,
];

impl Defect {
    fn of_people(self) -> bool {
        matches!(
            self,
            Defect::NameChanged | Defect::ContractorToEmployee | Defect::AddressReused | Defect::SecondAccount
        )
    }

    /// How many it strikes together.
    fn together(self, company: &mut Company) -> usize {
        match self {
            Defect::SerialReused => 2,
            Defect::Clone => 2 + company.random.below(4),
            Defect::SharedDesk => 3,
            _ => 1,
        }
    }
}

/// Whom each defect strikes; nobody is struck twice.
pub fn chosen(company: &mut Company, size: Size) -> Vec<(Defect, Vec<usize>)> {
    let mut struck = Vec::new();
    for defect in ALL {
        let mut left = size.of_each_defect;
        while left > 0 {
            let count = defect.together(company);
            // Cloned machines and machines without a serial number of their own are no Macs.
            let windows = matches!(defect, Defect::Clone | Defect::SerialReused);
            let of: Vec<usize> = (0..count).map(|_| free(company, defect, windows)).collect();
            left = left.saturating_sub(count);
            struck.push((defect, of));
        }
    }
    struck
}

fn free(company: &mut Company, defect: Defect, windows: bool) -> usize {
    loop {
        let all = if defect.of_people() { company.people.len() } else { company.devices.len() };
        let at = company.random.below(all);
        let is_mac = !defect.of_people() && company.entries[company.of_device[at][0]].mac_os;
        let taken = if defect.of_people() { &mut company.people[at] } else { &mut company.devices[at] };
        if taken.is_none() && !(windows && is_mac) {
            *taken = Some(defect);
            return at;
        }
    }
}

pub fn strike(company: &mut Company, defect: Defect, of: &[usize]) {
    let first = of[0];
    match defect {
        Defect::BoardSwap => board_swap(company, first),
        Defect::ReEnrolment => re_enrolment(company, first),
        Defect::SerialReused => serial_reused(company, of),
        Defect::Clone => cloned(company, of),
        Defect::SharedDesk => shared_desk(company, of),
        Defect::NameChanged => name_changed(company, first),
        Defect::ContractorToEmployee => contractor_to_employee(company, first),
        Defect::AddressReused => address_reused(company, first),
        Defect::SecondAccount => second_account(company, first),
    }
}

/// The mainboard is changed: another UUID, and mostly another serial number. The disk stays, and with it what management knows the
/// device by. The inventory gets a second row, or the row is corrected; the identity provider sees another device.
fn board_swap(company: &mut Company, device: usize) {
    let (uuid, adapter) = (company.uuid(), company.adapter());
    // Some technicians write the old serial number into the new board.
    let serial = if company.random.percent(70) { Some(company.serial()) } else { None };
    let today = company.today;
    let swap = |entry: &mut Entry| {
        entry.serial = serial.clone().or(entry.serial.take());
        entry.uuid = Some(uuid.clone());
        entry.adapters[0].clone_from(&adapter);
        entry.seen = today;
    };
    for at in company.of_device[device].clone() {
        match company.entries[at].system {
            "jamf-pro" | "intune" => swap(&mut company.entries[at]),
            "okta" => {
                let mut new = company.entries[at].clone();
                swap(&mut new);
                new.id = format!("guo{:010}", company.unused());
                company.entries[at].seen = today - 20;
                company.add_entry(new);
            }
            "csv" if company.random.percent(50) => {
                let mut new = company.entries[at].clone();
                swap(&mut new);
                new.id = format!("A-{:06}", company.unused());
                company.add_entry(new);
            }
            "csv" => swap(&mut company.entries[at]),
            _ => {}
        }
    }
}

/// The device is erased and enrolled again: management and the directory have a second record of it.
fn re_enrolment(company: &mut Company, device: usize) {
    let (management, entra) = (company.uuid(), company.uuid());
    let today = company.today;
    for at in company.of_device[device].clone() {
        let old = company.entries[at].clone();
        if !matches!(old.system, "jamf-pro" | "intune" | "entra-id") {
            continue;
        }
        let id = if old.system == "jamf-pro" { company.unused().to_string() } else { company.uuid() };
        let new = Entry {
            id,
            management: Some(management.clone()),
            entra: Some(entra.clone()),
            enrolled: today - 5,
            seen: today,
            ..old
        };
        company.entries[at].seen = today - 6;
        company.entries[at].removed = company.random.percent(40);
        company.add_entry(new);
    }
}

/// A manufacturer gave one serial number to several.
fn serial_reused(company: &mut Company, devices: &[usize]) {
    let serial = company.entries[company.of_device[devices[0]][0]].serial.clone();
    for device in devices {
        for at in company.of_device[*device].clone() {
            company.entries[at].serial.clone_from(&serial);
        }
    }
}

/// Virtual machines from one image: one UUID, sometimes one serial number, sometimes one registration in the directory, sometimes one
/// name. Each has a network adapter of its own.
fn cloned(company: &mut Company, devices: &[usize]) {
    let image = company.entries[company.of_device[devices[0]][0]].clone();
    let (serial, name, joined) = (company.random.percent(50), company.random.percent(50), company.random.percent(30));
    for device in &devices[1..] {
        for at in company.of_device[*device].clone() {
            let entry = &mut company.entries[at];
            entry.uuid.clone_from(&image.uuid);
            if serial {
                entry.serial.clone_from(&image.serial);
            }
            if name {
                entry.hostname.clone_from(&image.hostname);
            }
            // The directory then has one record for all of them.
            if joined && entry.system == "intune" {
                entry.entra.clone_from(&image.entra);
            }
            entry.removed |= joined && entry.system == "entra-id";
        }
    }
}

/// Machines at desks that several people use: one name for all, and people with one address.
fn shared_desk(company: &mut Company, devices: &[usize]) {
    let people: Vec<usize> = (0..4).map(|_| company.random.below(company.of_person.len())).collect();
    let desk = format!("desk-{}", company.unused());
    for device in devices {
        for at in company.of_device[*device].clone() {
            company.entries[at].hostname.clone_from(&desk);
            company.entries[at].users.clone_from(&people);
        }
    }
    let mailbox = format!("{desk}@acme.example");
    for person in people.into_iter().take(2) {
        if company.people[person].is_none() && company.random.percent(30) {
            company.people[person] = Some(Defect::SharedDesk);
            if let Some(account) = company.account(person, "workday") {
                account.email = Some(mailbox.clone());
            }
        }
    }
}

/// Somebody has another name, and with it another address. Systems learn it one after the other, and lists that people keep never.
fn name_changed(company: &mut Company, person: usize) {
    let late = company.random.percent(40);
    let mut name = String::new();
    let number = company.unused();
    for at in company.of_person[person].clone() {
        let account = &mut company.accounts[at];
        if account.system == "csv" || (account.system == "entra-id" && late) {
            continue;
        }
        let given = account.name.split(' ').next().unwrap_or_default().to_owned();
        name = format!("{given} Married");
        let email = format!("{}.married{number}@acme.example", given.to_lowercase());
        account.name.clone_from(&name);
        account.email = Some(email.clone());
        account.login = email;
    }
    assert!(!name.is_empty());
}

/// HR ends one record and begins another, with another number. Accounts go on, and get the new number sooner or later.
fn contractor_to_employee(company: &mut Company, person: usize) {
    let number = format!("{:06}", 900_000 + company.unused());
    let other_address = company.random.percent(30);
    let late = company.random.percent(30);
    let Some(old) = company.account(person, "workday") else { return };
    old.active = false;
    let mut new = Account { id: number.clone(), number: Some(number.clone()), active: true, ..old.clone() };
    let email = old.email.as_ref().map(|email| if other_address { format!("e-{email}") } else { email.clone() });
    new.email.clone_from(&email);
    company.add_account(new);
    for system in ["okta", "entra-id"] {
        let Some(account) = company.account(person, system) else { continue };
        if account.number.is_some() && !(late && system == "entra-id") {
            account.number = Some(number.clone());
        }
        if !(late && system == "entra-id") {
            account.email.clone_from(&email);
        }
    }
}

/// Somebody leaves, and somebody else of nearly the same name gets the address.
fn address_reused(company: &mut Company, leaver: usize) {
    let dropped = company.random.percent(30);
    let forgotten = company.random.percent(50);
    let (mut email, mut family) = (String::new(), String::new());
    for at in company.of_person[leaver].clone() {
        let account = &mut company.accounts[at];
        match account.system {
            "csv" => account.removed = !forgotten,
            "workday" => {
                email = account.email.clone().unwrap_or_default();
                family = account.name.split(' ').nth(1).unwrap_or_default().to_owned();
                account.active = false;
                account.removed = dropped;
            }
            _ => account.active = false,
        }
    }
    let newcomer = company.newcomer(Defect::AddressReused);
    let given = if company.random.percent(20) { "Ada" } else { "Alexis" };
    let number = format!("{:06}", 700_000 + newcomer);
    let local = email.split('@').next().unwrap_or_default().to_owned();
    company.join(newcomer, &format!("{given} {family}"), &number, &local);
}

/// Somebody who administers has an account for that: with the number, with an address of its own only, or with the first one's.
fn second_account(company: &mut Company, person: usize) {
    let kind = company.random.below(10);
    let id = format!("00u{:010}", company.unused());
    let Some(first) = company.account(person, "okta") else { return };
    let own = format!("adm-{}", first.email.clone().unwrap_or_default());
    let second = Account {
        id,
        login: own.clone(),
        name: format!("{} (Admin)", first.name),
        number: first.number.clone().filter(|_| kind < 6),
        email: if kind < 8 { Some(own) } else { first.email.clone() },
        ..first.clone()
    };
    company.add_account(second);
}
