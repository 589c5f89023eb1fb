//! The company: its people and devices, and what six systems have of them.

use super::defects::{self, Defect};

/// How large it is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub people: usize,
    pub devices: usize,
    /// How many people or devices each defect strikes.
    pub of_each_defect: usize,
}

/// What a system has of a person.
#[derive(Clone, Debug, Default)]
pub struct Account {
    pub system: &'static str,
    pub id: String,
    /// Whom it is really of.
    pub truth: usize,
    pub number: Option<String>,
    pub email: Option<String>,
    pub login: String,
    pub name: String,
    pub active: bool,
    /// Whether the system has removed it.
    pub removed: bool,
}

/// What a system has of a device.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    pub system: &'static str,
    pub id: String,
    /// What it is really of.
    pub truth: usize,
    pub mac_os: bool,
    pub serial: Option<String>,
    pub uuid: Option<String>,
    pub management: Option<String>,
    pub entra: Option<String>,
    pub adapters: Vec<String>,
    pub hostname: String,
    /// Days from the first reading.
    pub enrolled: i64,
    pub seen: i64,
    /// People whom the system has with it.
    pub users: Vec<usize>,
    pub removed: bool,
}

pub struct Company {
    pub accounts: Vec<Account>,
    pub entries: Vec<Entry>,
    /// By person and by device what goes wrong with it.
    pub people: Vec<Option<Defect>>,
    pub devices: Vec<Option<Defect>>,
    /// The positions of what systems have, by person and by device.
    pub of_person: Vec<Vec<usize>>,
    pub of_device: Vec<Vec<usize>>,
    /// What goes wrong later.
    later: Vec<(Defect, Vec<usize>)>,
    pub random: Random,
    counter: u64,
    pub today: i64,
}

/// A sequence that looks random and is the same each time (SplitMix64).
pub struct Random(u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    pub fn percent(&mut self, share: u64) -> bool {
        self.next() % 100 < share
    }
}

const GIVEN: [&str; 24] = [
    "Ada", "Ben", "Chen", "Dara", "Elif", "Femi", "Grace", "Hugo", "Ines", "Jan", "Kofi", "Lea", "Mia", "Noor", "Olga",
    "Pia", "Quinn", "Rosa", "Sam", "Tomas", "Uma", "Vera", "Wim", "Zoe",
];
const FAMILY: [&str; 24] = [
    "Adeyemi", "Bauer", "Costa", "Diaz", "Evans", "Fischer", "Garcia", "Haddad", "Ito", "Jones", "Kaya", "Larsen",
    "Mensah", "Novak", "Okafor", "Patel", "Quispe", "Rossi", "Smith", "Tanaka", "Umar", "Vogel", "Weber", "Young",
];

impl Company {
    pub fn new(size: Size, seed: u64) -> Company {
        let mut company = Company {
            accounts: Vec::new(),
            entries: Vec::new(),
            people: vec![None; size.people],
            devices: vec![None; size.devices],
            of_person: vec![Vec::new(); size.people],
            of_device: vec![Vec::new(); size.devices],
            later: Vec::new(),
            random: Random(seed),
            counter: 0,
            today: 0,
        };
        (0..size.people).for_each(|person| company.hire(person));
        (0..size.devices).for_each(|device| company.buy(device));
        let struck = defects::chosen(&mut company, size);
        for (at, (defect, of)) in struck.into_iter().enumerate() {
            // One in five has happened before anybody looked.
            if at.is_multiple_of(5) {
                defects::strike(&mut company, defect, &of);
            } else {
                company.later.push((defect, of));
            }
        }
        company
    }

    /// The rest of what goes wrong has happened.
    pub fn a_month_later(&mut self) {
        self.today = 30;
        for entry in self.entries.iter_mut().filter(|entry| !entry.removed) {
            entry.seen = 29 + entry.seen.rem_euclid(2);
        }
        for (defect, of) in std::mem::take(&mut self.later) {
            defects::strike(self, defect, &of);
        }
    }

    /// A number that was never given before.
    pub fn unused(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    pub fn uuid(&mut self) -> String {
        let (a, b) = (self.random.next(), self.random.next());
        let hex = format!("{a:016x}{b:016x}");
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }

    pub fn adapter(&mut self) -> String {
        let bytes = self.random.next().to_be_bytes();
        format!("02:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", bytes[1], bytes[2], bytes[3], bytes[4], bytes[5])
    }

    pub fn serial(&mut self) -> String {
        format!("C{:X}{:04}", self.random.next() & 0xff_ffff, self.unused())
    }

    pub fn add_account(&mut self, account: Account) -> usize {
        self.of_person[account.truth].push(self.accounts.len());
        self.accounts.push(account);
        self.accounts.len() - 1
    }

    pub fn add_entry(&mut self, entry: Entry) -> usize {
        self.of_device[entry.truth].push(self.entries.len());
        self.entries.push(entry);
        self.entries.len() - 1
    }

    /// Another person, who has nothing yet.
    pub fn newcomer(&mut self, defect: Defect) -> usize {
        self.people.push(Some(defect));
        self.of_person.push(Vec::new());
        self.people.len() - 1
    }

    pub fn account(&mut self, person: usize, system: &str) -> Option<&mut Account> {
        let at = self.of_person[person].iter().copied().find(|at| self.accounts[*at].system == system)?;
        self.accounts.get_mut(at)
    }

    fn hire(&mut self, person: usize) {
        let (given, family) = (GIVEN[self.random.below(24)], FAMILY[self.random.below(24)]);
        let number = format!("{:06}", 100_000 + person);
        let local = format!("{}.{}{person}", given.to_lowercase(), family.to_lowercase());
        self.join(person, &format!("{given} {family}"), &number, &local);
    }

    /// A person gets a number and accounts.
    pub fn join(&mut self, person: usize, name: &str, number: &str, local: &str) {
        let email = format!("{local}@acme.example");
        let base = Account {
            truth: person,
            number: Some(number.to_owned()),
            email: Some(email.clone()),
            login: email,
            name: name.to_owned(),
            active: true,
            ..Account::default()
        };
        self.add_account(Account { system: "workday", id: number.to_owned(), ..base.clone() });
        // Not every directory has the number.
        let known = self.random.percent(92).then(|| number.to_owned());
        let id = format!("00u{:010}", self.unused());
        self.add_account(Account { system: "okta", id, number: known, ..base.clone() });
        let known = self.random.percent(85).then(|| number.to_owned());
        let id = self.uuid();
        self.add_account(Account { system: "entra-id", id, number: known, ..base.clone() });
        if self.random.percent(10) {
            // A list that somebody keeps has an address and nothing else.
            let id = format!("card-{}", self.unused());
            self.add_account(Account { system: "csv", id, number: None, ..base });
        }
    }

    fn buy(&mut self, device: usize) {
        let mac_os = self.random.percent(45);
        let person = self.random.below(self.people.len());
        let seen = -(self.random.below(2) as i64);
        let entry = Entry {
            truth: device,
            mac_os,
            serial: Some(self.serial()),
            uuid: Some(self.uuid()),
            management: Some(self.uuid()),
            entra: Some(self.uuid()),
            adapters: vec![self.adapter(), self.adapter()],
            hostname: format!("{}-{device}", if mac_os { "mac" } else { "pc" }),
            enrolled: -100 - self.random.below(600) as i64,
            seen,
            users: vec![person],
            ..Entry::default()
        };
        self.enrol(entry);
    }

    /// A device comes into the systems that have such devices.
    pub fn enrol(&mut self, entry: Entry) {
        let mdm = if entry.mac_os { "jamf-pro" } else { "intune" };
        let id = if entry.mac_os { self.unused().to_string() } else { self.uuid() };
        self.add_entry(Entry { system: mdm, id, ..entry.clone() });
        if !entry.mac_os {
            let id = self.uuid();
            self.add_entry(Entry { system: "entra-id", id, ..entry.clone() });
        }
        if self.random.percent(if entry.mac_os { 80 } else { 65 }) {
            let id = format!("guo{:010}", self.unused());
            self.add_entry(Entry { system: "okta", id, ..entry.clone() });
        }
        if self.random.percent(90) {
            let id = format!("A-{:06}", self.unused());
            self.add_entry(Entry { system: "csv", id, ..entry });
        }
    }
}
