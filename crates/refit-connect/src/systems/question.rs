//! What is asked of which system.

use super::{Authentication, Limits, Paging};
use crate::feeds::NetworkOptions;
use serde_json::{Map, Value};
use std::time::Duration;

/// A system, and how it is asked.
#[derive(Clone, Debug)]
pub struct System {
    /// How we show who we are.
    pub authentication: Authentication,
    /// Headers of every request.
    pub headers: Vec<(String, String)>,
    /// How much may be asked.
    pub limits: Limits,
    /// The hosts that may be told who we are, as `https://acme.okta.com`; none is: that of each question.
    pub hosts: Vec<String>,
    /// How patiently it is asked. The time for the whole is that of one question with all its pages.
    pub network: NetworkOptions,
}

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// The address.
    pub address: String,
    /// Parameters of it.
    pub query: Vec<(String, String)>,
    /// What is sent.
    pub body: Body,
    /// How the next page is asked for.
    pub paging: Paging,
}

/// What a request sends.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Body {
    /// Nothing: it is a GET.
    #[default]
    Nothing,
    /// JSON, by POST.
    Json(String),
    /// A GraphQL query, by POST. What paging sets are variables.
    Graphql {
        /// The query.
        query: String,
        /// Its variables.
        variables: Map<String, Value>,
    },
}

/// How patiently systems are asked: a list of a large organisation takes its time, and a limit of requests is mostly one of a minute.
pub(super) fn patience() -> NetworkOptions {
    NetworkOptions {
        stall_timeout: Duration::from_secs(60),
        total_timeout: Duration::from_secs(6 * 60 * 60),
        attempts: 5,
        longest_wait: Duration::from_secs(15 * 60),
        ..NetworkOptions::default()
    }
}

impl Default for System {
    fn default() -> System {
        System {
            authentication: Authentication::None,
            headers: Vec::new(),
            limits: Limits::default(),
            hosts: Vec::new(),
            network: patience(),
        }
    }
}
