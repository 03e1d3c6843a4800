#include "common/service/metrics.h"

#include <mutex>
#include <utility>
#include <vector>

#include "common/service/version.h"
#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"
#include "prometheus/text_serializer.h"

namespace shoal::service {

MetricBuckets LatencyBuckets() {
  return {0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15,
          0.2,   0.3,   0.5,   0.75, 1,    1.5,  2,    3,    5,     10};
}

MetricBuckets StepBuckets() {
  return {0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015,
          0.02,   0.03,   0.05,   0.075, 0.1,   0.2,   0.5,   1,      2,    5};
}

MetricBuckets DurationBuckets() {
  return {0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600};
}

MetricBuckets RtfBuckets() {
  return {0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3,
          0.4,  0.5,  0.6,  0.7,  0.8,   0.9, 1,    1.5, 2,    4};
}

MetricBuckets BatchBuckets() {
  return {1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512};
}

// Counters and gauges whose values live elsewhere.
class Metrics::ReadValues {
 public:
  void Add(const std::string& name, const std::string& help, prometheus::MetricType type,
           const MetricLabels& labels, std::function<double()> read) {
    std::lock_guard<std::mutex> lock(mutex_);
    Family* family = nullptr;
    for (Family& f : families_) {
      if (f.name == name) family = &f;
    }
    if (family == nullptr) {
      family = &families_.emplace_back(Family{name, help, type, {}});
    }
    family->values.push_back({labels, std::move(read)});
  }

  std::vector<prometheus::MetricFamily> Collect() const {
    std::lock_guard<std::mutex> lock(mutex_);
    std::vector<prometheus::MetricFamily> collected;
    for (const Family& f : families_) {
      prometheus::MetricFamily family{f.name, f.help, f.type, {}};
      for (const Value& value : f.values) {
        prometheus::ClientMetric metric;
        for (const auto& [name, text] : value.labels) metric.label.push_back({name, text});
        if (f.type == prometheus::MetricType::Counter) {
          metric.counter.value = value.read();
        } else {
          metric.gauge.value = value.read();
        }
        family.metric.push_back(std::move(metric));
      }
      collected.push_back(std::move(family));
    }
    return collected;
  }

 private:
  struct Value {
    MetricLabels labels;
    std::function<double()> read;
  };
  struct Family {
    std::string name, help;
    prometheus::MetricType type;
    std::vector<Value> values;
  };
  mutable std::mutex mutex_;
  std::vector<Family> families_;
};

Metrics::Metrics(const std::string& program) : read_values_(std::make_unique<ReadValues>()) {
  Gauge("shoal_build_info", "What runs here; the value is always 1.",
        {{"program", program}, {"version", Version()}, {"compiler", Compiler()}})
      .Set(1);
}

Metrics::~Metrics() = default;

prometheus::Counter& Metrics::Counter(const std::string& name, const std::string& help,
                                      const MetricLabels& labels) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry_).Add(labels);
}

prometheus::Gauge& Metrics::Gauge(const std::string& name, const std::string& help,
                                  const MetricLabels& labels) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry_).Add(labels);
}

prometheus::Histogram& Metrics::Histogram(const std::string& name, const std::string& help,
                                          const MetricBuckets& buckets,
                                          const MetricLabels& labels) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry_).Add(labels,
                                                                                    buckets);
}

void Metrics::CounterFrom(const std::string& name, const std::string& help,
                          const MetricLabels& labels, std::function<double()> read) {
  read_values_->Add(name, help, prometheus::MetricType::Counter, labels, std::move(read));
}

void Metrics::GaugeFrom(const std::string& name, const std::string& help,
                        const MetricLabels& labels, std::function<double()> read) {
  read_values_->Add(name, help, prometheus::MetricType::Gauge, labels, std::move(read));
}

std::string Metrics::Serialize() const {
  std::vector<prometheus::MetricFamily> families = registry_.Collect();
  for (prometheus::MetricFamily& family : read_values_->Collect()) {
    families.push_back(std::move(family));
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace shoal::service
