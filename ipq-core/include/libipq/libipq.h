/* The same header by the name that some distributions gave it. SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "../libipq.h"
