// The Prometheus metrics of one process. Names and label sets are constants of the code: a name
// that Prometheus refuses throws std::invalid_argument at start, and no label value may come from a
// request.
//
// Owned by main, created first and destroyed last: the references that it hands out live as long as
// it does. Creating and serialising lock; incrementing does not block. Any thread may call
// anything.
#ifndef SHOAL_COMMON_SERVICE_METRICS_H_
#define SHOAL_COMMON_SERVICE_METRICS_H_

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"

namespace shoal::service {

using MetricLabels = std::map<std::string, std::string>;
using MetricBuckets = prometheus::Histogram::BucketBoundaries;

MetricBuckets
LatencyBuckets();             // seconds, 1 ms to 10 s: first audio, gaps between chunks, queueing
MetricBuckets StepBuckets();  // seconds, 0.1 ms to 5 s: one step of a model thread
MetricBuckets DurationBuckets();  // seconds, 0.1 s to 1 h: whole requests
MetricBuckets RtfBuckets();       // compute seconds per second of audio, 0.01 to 4
MetricBuckets BatchBuckets();     // rows a step: 1 to 8 each, then the graph buckets up to 512

class Metrics {
 public:
  // Registers shoal_build_info{program, version, compiler} = 1.
  explicit Metrics(const std::string& program);
  ~Metrics();

  // The same name with other labels adds to the same family; the same name and labels return the
  // metric that is there.
  prometheus::Counter& Counter(const std::string& name, const std::string& help,
                               const MetricLabels& labels = {});
  prometheus::Gauge& Gauge(const std::string& name, const std::string& help,
                           const MetricLabels& labels = {});
  prometheus::Histogram& Histogram(const std::string& name, const std::string& help,
                                   const MetricBuckets& buckets, const MetricLabels& labels = {});

  // Values kept elsewhere and read at every scrape, on the scraping thread. `read` must be safe to
  // call from any thread while this object lives.
  void CounterFrom(const std::string& name, const std::string& help, const MetricLabels& labels,
                   std::function<double()> read);
  void GaugeFrom(const std::string& name, const std::string& help, const MetricLabels& labels,
                 std::function<double()> read);

  // Prometheus text format 0.0.4.
  std::string Serialize() const;

 private:
  class ReadValues;
  prometheus::Registry registry_;
  std::unique_ptr<ReadValues> read_values_;
};

}  // namespace shoal::service

#endif  // SHOAL_COMMON_SERVICE_METRICS_H_
