//! The parts of a record: keys, fields, installs, relations.

use super::super::compile::{Assignment, Installs, KeySource, Records, Source};
use super::super::convert;
use super::super::expr::{Expr, Fault, Item, Scope};
use super::super::json::Json;
use super::super::keys::{Key, KeyKind, Strength};
use super::super::names::plain_name;
use super::super::reading::{Install, Relation, Said, SetAside};
use super::{Bases, Reader, entry, short};
use crate::facts::{FieldRef, Root, Value, zone_name};
use smol_str::SmolStr;

/// What a record says is installed.
#[derive(Default)]
pub(super) struct Installed {
    pub found: Vec<Install>,
    /// Whether that is all.
    pub complete: bool,
    /// Whether it is all with what the other records of the device say.
    pub by_row: bool,
}

impl<'r> Reader<'r, '_> {
    /// The keys of a record. A key of a wrong type is a fault of the whole: what identifies it can't be trusted then. A value that
    /// identifies nothing is left out, and said.
    pub(super) fn keys(
        &mut self,
        records: &Records,
        sources: &'r [KeySource],
        scope: &Scope<'r>,
        bases: &Bases,
    ) -> Result<Vec<Key>, Fault> {
        let mut keys: Vec<Key> = Vec::new();
        for source in sources {
            let item = source.expr.value(scope)?;
            let items = item.items().unwrap_or_else(|| vec![item]);
            for item in items.into_iter().filter(Item::is_known) {
                let text = convert::written(item, "a text")
                    .map_err(|why| source.expr.fault(format!("the key {}: {why}", source.kind.name())))?;
                let strong = match &source.strong_if {
                    Some(condition) => condition.holds(scope)?,
                    None => true,
                };
                match source.kind.written(&text) {
                    Ok(value) => {
                        let strength = if strong { source.kind.strength() } else { Strength::Weak };
                        let key = Key { kind: source.kind, value, strength };
                        if !keys.contains(&key) {
                            keys.push(key);
                        }
                    }
                    Err(why) => {
                        let what = SetAside::Key(SmolStr::new_static(source.kind.name()));
                        let why = format!("\"{}\" identifies nothing: {why}", super::super::json::shortened(&text));
                        self.fault(records, &bases.0[0], bases, what, source.expr.fault(why));
                    }
                }
            }
        }
        Ok(keys)
    }

    pub(super) fn field(
        &mut self,
        records: &Records,
        field: &FieldRef,
        source: &'r Source,
        scope: &Scope<'r>,
        bases: &Bases,
        at: &str,
    ) -> Option<Said> {
        let maps = self.maps;
        let converted = source
            .expr
            .value(scope)
            .and_then(|item| source.convert(item, maps.get(field)).map_err(|why| source.expr.fault(why)));
        match converted {
            Ok(converted) => {
                self.cover(field, source, converted.uncovered);
                match converted.said.map(|said| as_key(field, said)) {
                    Some(Said::Value(Value::Text(zone))) if field.name == "timezone" => match zone_name(&zone) {
                        Some(zone) => Some(Said::Value(Value::Text(zone))),
                        None => {
                            self.cover(field, source, vec![zone.to_string()]);
                            None
                        }
                    },
                    said => said,
                }
            }
            Err(fault) => {
                self.fault(records, at, bases, SetAside::Field(field.clone()), fault);
                None
            }
        }
    }

    /// What is installed, and whether that is all.
    pub(super) fn installs(&mut self, records: &'r Records, scope: &Scope<'r>, bases: &Bases, at: &str) -> Installed {
        let Installed { mut found, mut complete, mut by_row } = Installed::default();
        for installs in &records.installs {
            let all = installs.complete
                || match installs.complete_if.as_ref().map_or(Ok(false), |all| all.holds(scope)) {
                    Ok(all) => all,
                    Err(fault) => {
                        self.fault(records, at, bases, SetAside::Install, fault);
                        false
                    }
                };
            let Some(each) = &installs.each else {
                let inner = [scope[0].clone(), scope[1].clone(), scope[0].clone(), scope[3].clone()];
                let place = bases.0[0].clone();
                found.extend(self.install(records, installs, &inner, bases, place));
                complete |= all;
                by_row |= all;
                continue;
            };
            let items = match self.list(records, each, scope, bases, at, SetAside::Install) {
                Some(items) => items,
                None => continue,
            };
            complete |= all;
            let path = each.path();
            found.reserve(items.len());
            for (index, item) in items.into_iter().enumerate() {
                let inner = [scope[0].clone(), scope[1].clone(), item, scope[3].clone()];
                match self.try_install(installs, &inner) {
                    Ok(install) => found.extend(install),
                    Err(fault) => {
                        let place = entry(bases, path.as_ref(), index);
                        let bases = bases.with_item(place.clone());
                        self.fault(records, &place, &bases, SetAside::Install, fault);
                    }
                }
            }
        }
        Installed { found, complete, by_row }
    }

    fn install(
        &mut self,
        records: &Records,
        installs: &'r Installs,
        scope: &Scope<'r>,
        bases: &Bases,
        place: String,
    ) -> Option<Install> {
        match self.try_install(installs, scope) {
            Ok(install) => install,
            Err(fault) => {
                let bases = bases.with_item(place.clone());
                self.fault(records, &place, &bases, SetAside::Install, fault);
                None
            }
        }
    }

    fn try_install(&self, installs: &'r Installs, scope: &Scope<'r>) -> Result<Option<Install>, Fault> {
        if !matches!(scope[2], Item::Json(Json::Object(_))) {
            let why = format!("an install is an object, and this is {}", scope[2].described());
            return Err(Fault { why, path: None, sensitive: false });
        }
        if let Some(when) = &installs.when
            && !when.holds(scope)?
        {
            return Ok(None);
        }
        let text = |expr: &'r Option<Expr>| -> Result<Option<SmolStr>, Fault> {
            let Some(expr) = expr else { return Ok(None) };
            let item = expr.value(scope)?;
            if !item.is_known() {
                return Ok(None);
            }
            convert::text(item).map(Some).map_err(|why| expr.fault(why))
        };
        let version = match &installs.version {
            None => None,
            Some(expr) => match expr.value(scope)? {
                item if !item.is_known() => None,
                item => Some(convert::version(item).map_err(|why| expr.fault(why))?),
            },
        };
        let install = Install {
            bundle_id: text(&installs.bundle_id)?,
            package: text(&installs.package)?,
            product_code: text(&installs.product_code)?,
            name: text(&installs.name)?,
            plain_name: None,
            publisher: text(&installs.publisher)?,
            version,
            path: text(&installs.path)?,
        };
        if [&install.bundle_id, &install.package, &install.product_code, &install.name]
            .iter()
            .all(|name| name.is_none())
        {
            return Err(Fault { why: "nothing says which title it is".to_owned(), path: None, sensitive: false });
        }
        let plain = |name: &SmolStr| short(&plain_name(name, install.version.as_deref()));
        let plain_name = install.name.as_ref().map(plain);
        Ok(Some(Install { plain_name, ..install }))
    }

    pub(super) fn relations(
        &mut self,
        records: &'r Records,
        scope: &Scope<'r>,
        bases: &Bases,
        at: &str,
    ) -> Vec<Relation> {
        let mut found = Vec::new();
        for relation in &records.relations {
            let entries: Vec<(Scope<'r>, Bases, String)> = match &relation.each {
                None => vec![(scope.clone(), bases.with_item(String::new()), at.to_owned())],
                Some(each) => {
                    let items = self.list(records, each, scope, bases, at, SetAside::Relation).unwrap_or_default();
                    let path = each.path();
                    let scopes = items.into_iter().enumerate().map(|(index, item)| {
                        let place = entry(bases, path.as_ref(), index);
                        let scope = [scope[0].clone(), scope[1].clone(), item, scope[3].clone()];
                        (scope, bases.with_item(place.clone()), place)
                    });
                    scopes.collect()
                }
            };
            for (scope, bases, place) in entries {
                let holds = relation.when.as_ref().map_or(Ok(true), |when| when.holds(&scope));
                let keys = match holds {
                    Ok(true) => self.keys(records, &relation.keys, &scope, &bases),
                    Ok(false) => continue,
                    Err(fault) => Err(fault),
                };
                match keys {
                    // Nobody is named.
                    Ok(keys) if keys.is_empty() => {}
                    Ok(keys) => {
                        let assignment = match &relation.assignment {
                            Assignment::Unsaid => None,
                            Assignment::Always(kind) => Some(kind.clone()),
                            Assignment::Said(source) => {
                                let field = FieldRef::device("assignment");
                                match self.field(records, &field, source, &scope, &bases, &place) {
                                    Some(Said::Value(Value::Text(kind))) => Some(kind),
                                    _ => None,
                                }
                            }
                        };
                        found.push(Relation { relation: relation.relation, assignment, keys });
                    }
                    Err(fault) => self.fault(records, &place, &bases, SetAside::Relation, fault),
                }
            }
        }
        found
    }

    /// The entries of a list in a record; `None` where there is no such list, or where it is none, which is said.
    fn list(
        &mut self,
        records: &Records,
        each: &'r Expr,
        scope: &Scope<'r>,
        bases: &Bases,
        at: &str,
        what: SetAside,
    ) -> Option<Vec<Item<'r>>> {
        let fault = match each.value(scope) {
            Ok(Item::Missing | Item::Null) => return None,
            Ok(item) => match item.items() {
                Some(items) => return Some(items),
                None => each.fault(format!("a list is needed, and this is {}", item.described())),
            },
            Err(fault) => fault,
        };
        self.fault(records, at, bases, what, fault);
        None
    }
}

/// Serial numbers and addresses are written in one way also where they are no keys, and what identifies nothing is none.
fn as_key(field: &FieldRef, said: Said) -> Said {
    let kind = match (field.root, field.name.as_str()) {
        (Root::Device, "serial") => KeyKind::Serial,
        (Root::Person, "email" | "manager") => KeyKind::Email,
        _ => return said,
    };
    match said {
        Said::Value(Value::Text(text)) => {
            kind.written(&text).map_or(Said::Nothing, |written| Said::Value(Value::Text(written)))
        }
        said => said,
    }
}
