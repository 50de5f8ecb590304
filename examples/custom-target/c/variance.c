/* The mean square distance from `mean`, which comes in a register for doubles, as the result goes. */
double variance(const double *values, unsigned count, double mean) {
    double sum = 0;
    for (unsigned i = 0; i < count; i++) sum += (values[i] - mean) * (values[i] - mean);
    return sum / count;
}
