// A folder of a test's own, removed with everything in it when the object goes. For tests only.
#ifndef SHOAL_TESTS_SUPPORT_TEMP_DIR_H_
#define SHOAL_TESTS_SUPPORT_TEMP_DIR_H_

#include <string>

namespace shoal::testing {

class TempDir {
 public:
  TempDir();  // throws std::runtime_error when none can be made
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  // path()/name.
  std::string File(const std::string& name) const { return path_ + "/" + name; }
  // Writes a file inside and gives its path.
  std::string Write(const std::string& name, const std::string& bytes) const;
  // The bytes of a file inside. Throws when there is none.
  std::string Read(const std::string& name) const;

 private:
  std::string path_;
};

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_SUPPORT_TEMP_DIR_H_
