//! Asking a Prometheus server, or whatever speaks its HTTP API (Thanos, Mimir, VictoriaMetrics), what a query gives now.
//!
//! Source: <https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries>.

use crate::feeds::{NetworkOptions, agent, tls};
use serde::Deserialize;
use std::{collections::BTreeMap, io::Read as _, time::Duration};

/// The largest answer that is read: a million devices are about 100 MB.
const LARGEST: u64 = 256 << 20;
/// How long a query may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// One time series of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value; NaN is possible.
    pub value: f64,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum PrometheusError {
    /// The server can't be reached, or not be trusted.
    #[error("{url}: {why}")]
    Network {
        /// The address.
        url: String,
        /// What went wrong.
        why: String,
    },
    /// It answers with an error, such as a query that it can't read.
    #[error("{url}: {why}")]
    Refused {
        /// The address.
        url: String,
        /// What the server says.
        why: String,
    },
    /// What it answers is no vector of samples.
    #[error("{url}: {why}")]
    NotUnderstood {
        /// The address.
        url: String,
        /// What is wrong with it.
        why: String,
    },
}

#[derive(Deserialize)]
struct Answer {
    status: String,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    data: Option<Data>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: String,
    #[serde(default)]
    result: serde_json::Value,
}

#[derive(Deserialize)]
struct Series {
    metric: BTreeMap<String, String>,
    value: (serde_json::Number, String),
}

/// Asks the server at `base` (`https://prometheus.example`) what `query` gives now. `token` goes into the header `Authorization`.
/// Redirects are not followed: they could lead the token elsewhere.
pub fn ask(base: &str, token: Option<&str>, query: &str) -> Result<Vec<Sample>, PrometheusError> {
    let url = format!("{}/api/v1/query", base.trim_end_matches('/'));
    let failed = |why: String| PrometheusError::Network { url: url.clone(), why };
    let tls = tls(&url).map_err(|error| failed(error.to_string()))?;
    let network = NetworkOptions { stall_timeout: PATIENCE, ..NetworkOptions::default() };
    let agent = agent(&url, &network, PATIENCE, 0, tls);
    let mut request = agent.post(&url).header("accept", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let response = request.send_form([("query", query)]).map_err(|error| failed(error.to_string()))?;
    let status = response.status();
    let mut body = Vec::new();
    let mut reader = response.into_body().into_reader().take(LARGEST + 1);
    reader.read_to_end(&mut body).map_err(|error| failed(error.to_string()))?;
    if body.len() as u64 > LARGEST {
        let why = format!("the answer is larger than {} MiB: ask for fewer series", LARGEST >> 20);
        return Err(PrometheusError::NotUnderstood { url, why });
    }
    match serde_json::from_slice(&body) {
        Ok(answer) => read(url, answer),
        Err(_) if !status.is_success() => {
            Err(PrometheusError::Refused { url, why: format!("the server answers with status {}", status.as_u16()) })
        }
        Err(error) => {
            Err(PrometheusError::NotUnderstood { url, why: format!("the answer is not Prometheus': {error}") })
        }
    }
}

fn read(url: String, answer: Answer) -> Result<Vec<Sample>, PrometheusError> {
    let data = match (answer.status.as_str(), answer.data) {
        ("success", Some(data)) => data,
        _ => {
            let why = answer.error.unwrap_or_else(|| "the server gives no reason".into());
            return Err(PrometheusError::Refused { url, why });
        }
    };
    if data.result_type != "vector" {
        let why =
            format!("the query gives a {}, and a vector with one sample for each device is wanted", data.result_type);
        return Err(PrometheusError::NotUnderstood { url, why });
    }
    let not_read = |why: String| PrometheusError::NotUnderstood { url: url.clone(), why };
    let series: Vec<Series> = serde_json::from_value(data.result).map_err(|error| not_read(error.to_string()))?;
    let sample = |series: Series| {
        let (_, value) = series.value;
        // `NaN`, `+Inf` and `-Inf` are values.
        let value = value.parse().map_err(|_| not_read(format!("`{value}` is no number")))?;
        Ok(Sample { labels: series.metric, value })
    };
    series.into_iter().map(sample).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(text: &str) -> Result<Vec<Sample>, String> {
        read("http://p/api/v1/query".into(), serde_json::from_str(text).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn samples_are_read_with_their_labels() {
        let samples = answered(
            r#"{"status":"success","data":{"resultType":"vector","result":[
            {"metric":{"__name__":"up","instance":"db-1:9100"},"value":[1763000000.781,"1"]},
            {"metric":{},"value":[1763000000,"NaN"]},{"metric":{"a":"b"},"value":[1763000000,"+Inf"]}]}}"#,
        );
        let samples = samples.unwrap();
        assert_eq!(samples.len(), 3);
        assert_eq!(samples[0].labels["instance"], "db-1:9100");
        assert_eq!(samples[0].value.to_bits(), 1.0_f64.to_bits());
        assert!(samples[1].value.is_nan() && samples[2].value.is_infinite());
    }

    #[test]
    fn what_is_no_vector_is_told() {
        let scalar = r#"{"status":"success","data":{"resultType":"scalar","result":[1763000000,"1"]}}"#;
        assert!(answered(scalar).unwrap_err().contains("gives a scalar"));
        let error = r#"{"status":"error","errorType":"bad_data","error":"parse error: unexpected end of input"}"#;
        assert_eq!(answered(error).unwrap_err(), "http://p/api/v1/query: parse error: unexpected end of input");
        assert!(answered(r#"{"status":"success"}"#).unwrap_err().contains("no reason"));
        let bad = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"x"]}]}}"#;
        assert!(answered(bad).unwrap_err().contains("`x` is no number"));
    }
}
